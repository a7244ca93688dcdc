"""Preprocessing of image files for the models, and its inverse."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    Invertd,
    Orientationd,
    ResampleToMatchd,
    Spacingd,
)

from brain_bundles.transforms.centre_brain import CentreBraind
from brain_bundles.transforms.extract_brain import ExtractBraind
from brain_bundles.transforms.intensity import DEFAULT_SCALE, ScaleForegroundd
from brain_bundles.transforms.read_image import RAS_LABELS, ReadImaged


def image_preprocessing(
    keys: str | Sequence[str],
    spacing: float | Sequence[float],
    spatial_size: Sequence[int],
    *,
    intensity_scale: str | None = DEFAULT_SCALE,
    intensity_percentiles: Sequence[float] | None = None,
    warn_cut: float | None = 0.02,
    allow_missing_keys: bool = False,
    extract_brain: bool | str = False,
    segmenter: str | os.PathLike[str] | None = None,
) -> Compose:
    """Read, orient RAS, resample, centre the brain, crop or pad, scale intensities to [0, 1].

    The first key is the reference. Further keys must be registered with it and are resampled to its grid.

    Args:
        keys: keys of the paths to images of one subject.
        spacing: voxel size of the model's grid, mm.
        spatial_size: (D, H, W) of the model's grid.
        intensity_scale: name of the scale, see :class:`ScaleForeground`; None leaves intensities as they are, for what
            a model wrote.
        intensity_percentiles: percentiles of the scale ``percentiles``; None for others, and for 0.5 and 99.5.
        warn_cut: see :class:`CentreBraind`; None for whole heads.
        allow_missing_keys: leave out keys that an item lacks.
        extract_brain: set the first key to 0 outside of the brain, see :class:`ExtractBraind`.
        segmenter: weights of the network that finds the brain, see :class:`ExtractBraind`.

    Returns:
        A transform to float32 ``MetaTensor`` volumes (1, D, H, W). They record the applied operations for
        :func:`invert_preprocessing`.
    """
    keys = [keys] if isinstance(keys, str) else list(keys)
    if not keys:
        raise ValueError("keys is empty; name at least one entry, for example ['image'].")
    pixdim = [float(spacing)] * 3 if isinstance(spacing, (int, float)) else [float(mm) for mm in spacing]
    if len(pixdim) != 3 or min(pixdim) <= 0:
        raise ValueError(f"spacing is {spacing}, expected one voxel size in mm or three.")
    first, others = keys[0], keys[1:]
    missing: dict[str, Any] = {"allow_missing_keys": allow_missing_keys}
    resample: dict[str, Any] = {"mode": "bilinear", "padding_mode": "zeros", **missing}
    steps = [
        ReadImaged(keys, **missing),
        *([ExtractBraind(first, extract_brain, segmenter=segmenter)] if extract_brain is not False else []),
        Orientationd([first], axcodes="RAS", labels=RAS_LABELS, **missing),
        Spacingd([first], pixdim=pixdim, **resample),
        *([ResampleToMatchd(others, key_dst=first, **resample)] if others else []),
        CentreBraind(keys, spatial_size, warn_cut, **missing),
        *([ScaleForegroundd(keys, intensity_scale, intensity_percentiles, **missing)] if intensity_scale else []),
    ]
    return Compose(steps)


class InvertPreprocessingd(Invertd):
    """MONAI's ``Invertd``, but it also takes plain tensors, and raises where MONAI only warns and does nothing."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key, orig_key in zip(self.keys, self.orig_keys, strict=True):
            orig = d.get(orig_key)
            if not isinstance(orig, MetaTensor) or not orig.applied_operations:
                raise ValueError(
                    f"{orig_key!r} has no record of its preprocessing, so {key!r} cannot be inverted; keep the "
                    f"preprocessed {orig_key!r} (a MetaTensor with its applied_operations) in the item."
                )
            if not isinstance(d[key], MetaTensor):
                d[key] = MetaTensor(d[key])
        return super().__call__(d)


def invert_preprocessing(preprocessing: Compose, pred_key: str = "pred", orig_key: str = "image") -> Invertd:
    """Bring a prediction on the model's grid back to the grid of the image that it was made from.

    Intensities stay in [0, 1]; shape, affine and orientation become those of the source file.

    Args:
        preprocessing: transform from :func:`image_preprocessing` that was applied to ``orig_key``.
        pred_key: key of the volume to bring back, (C, D, H, W).
        orig_key: key of the preprocessed image.

    Returns:
        A transform of items that have both keys. It raises ValueError if ``orig_key`` records no preprocessing.
    """
    return InvertPreprocessingd(
        pred_key, transform=preprocessing, orig_keys=orig_key, nearest_interp=False, to_tensor=True
    )
