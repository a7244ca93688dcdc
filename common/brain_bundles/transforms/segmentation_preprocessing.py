"""Preprocessing of scans for the segmenter: whole heads or brains, any orientation and spacing; and of their labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.networks.layers import GaussianFilter
from monai.transforms import Compose, MapTransform, Orientationd, Spacingd, Transform
from scipy import ndimage

from brain_bundles.data.brain_classes import class_indices
from brain_bundles.data.read_image import read_values
from brain_bundles.transforms.head_foreground import CentreHeadd
from brain_bundles.transforms.intensity import HEAD, ScaleForegroundd
from brain_bundles.transforms.read_image import RAS_LABELS, ReadImaged
from brain_bundles.utils.plain_tensor import plain_tensor

_FINEST = 1.05  # ratio of voxel sizes below which nothing is smoothed


class AntiAliasd(MapTransform):
    """Smooth along each axis whose voxels are finer than ``spacing``, as they will be resampled to it.

    The standard deviation is (ratio - 1) / 2 voxels, as in MONAI's ``Resize``: a voxel of the new grid then shows the
    mean of its place, as one of a scan at that resolution does.

    Args:
        keys: ``MetaTensor`` volumes (C, D, H, W).
        spacing: voxel size that they will have, mm.
        allow_missing_keys: leave out keys that an item lacks.
    """

    def __init__(self, keys: KeysCollection, spacing: float, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = anti_alias(d[key], self.spacing)
        return d


def anti_alias(volume: MetaTensor, spacing: float) -> MetaTensor:
    """The volume (C, D, H, W) smoothed as :class:`AntiAliasd` does."""
    ratios = [spacing / float(mm) for mm in volume.pixdim]
    sigma = [max(0.0, (ratio - 1) / 2) if ratio > _FINEST else 0.0 for ratio in ratios]
    if not any(sigma):
        return volume
    smooth = GaussianFilter(3, [max(one, 1e-3) for one in sigma], truncated=3.0)
    values = smooth(plain_tensor(volume).float()[None])[0]
    return MetaTensor(values, meta=volume.meta, applied_operations=volume.applied_operations)


class MapClassesd(MapTransform):
    """Replace the numbers of a segmentation by the indices of the segmenter's classes.

    Args:
        keys: segmentations.
        table: class -> its numbers; None for FreeSurfer's.
        allow_missing_keys: leave out keys that an item lacks.
    """

    def __init__(
        self,
        keys: KeysCollection,
        table: Mapping[str, Sequence[int]] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.table = table

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            volume = d[key]
            indices = torch.from_numpy(class_indices(plain_tensor(volume).numpy(), self.table)).float()
            d[key] = MetaTensor(indices, meta=volume.meta, applied_operations=volume.applied_operations)
        return d


class MaskUnseend(Transform):
    """Make a segmentation background where its image shows nothing: outside of a mask or a field of view.

    What was cut away is exactly 0. Holes that the image encloses are dark tissue and stay.

    Args:
        image_key, label_key: keys of the two volumes (1, D, H, W), on one grid.
    """

    def __init__(self, image_key: str = "image", label_key: str = "label") -> None:
        self.image_key, self.label_key = image_key, label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        shown = plain_tensor(d[self.image_key])[0] != 0
        if not shown.all():
            seen = torch.from_numpy(ndimage.binary_fill_holes(shown.numpy()))
            d[self.label_key] = d[self.label_key] * seen
        return d


def segmentation_preprocessing(
    spacing: float,
    spatial_size: Sequence[int],
    *,
    intensity_scale: str = HEAD,
    image_key: str = "image",
    label_key: str | None = None,
    label_table: Mapping[str, Sequence[int]] | None = None,
) -> Compose:
    """Read, orient RAS, resample, centre the head, crop or pad, scale intensities; labels become classes.

    Args:
        spacing: voxel size of the model's grid, mm.
        spatial_size: (D, H, W) of the model's grid.
        intensity_scale: see :class:`~brain_bundles.transforms.ScaleForeground`.
        image_key: key of the path of the scan, or of an image that is rendered.
        label_key: key of its segmentation on the same grid; None without one.
        label_table: class -> its numbers; None for FreeSurfer's.

    Returns:
        A transform to float32 ``MetaTensor`` volumes (1, D, H, W): the image, and the indices of the classes.
    """
    if not spacing > 0:
        raise ValueError(f"spacing is {spacing}, expected one voxel size in mm.")
    labels = [] if label_key is None else [label_key]
    keys = [image_key, *labels]
    steps = [
        ReadImaged(image_key),
        *([ReadImaged(label_key, read_values), MaskUnseend(image_key, label_key)] if label_key else []),
        *([MapClassesd(label_key, label_table)] if label_key else []),
        Orientationd(keys, axcodes="RAS", labels=RAS_LABELS),
        AntiAliasd(image_key, spacing),
        Spacingd(image_key, pixdim=[float(spacing)] * 3, mode="bilinear", padding_mode="zeros"),
        *(
            [Spacingd(label_key, pixdim=[float(spacing)] * 3, mode="nearest", padding_mode="zeros")]
            if label_key
            else []
        ),
        CentreHeadd(keys, spatial_size, spacing),
        ScaleForegroundd(image_key, intensity_scale),
    ]
    return Compose(steps)
