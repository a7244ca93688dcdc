"""From the segmenter's probabilities to label maps on the scan's grid: what the run writes, for other callers too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Transform
from monai.utils import MetaKeys

from brain_bundles.transforms.segmentation import segment


class SegmentScand(Transform):
    """Replace probabilities on the model's grid by FreeSurfer's numbers on the grid of the scan.

    The item gets ``mask``, the brain, and ``segmentation``, a :class:`~brain_bundles.transforms.Segmentation` with
    volumes, quality and flags beside the same two arrays.

    Args:
        minimum_quality: see :func:`~brain_bundles.transforms.segment`.
        flag_quality: see there.
        refine: let borders follow the intensities of the preprocessed scan, see
            :func:`~brain_bundles.transforms.refine_by_intensity`.
        pred_key: key of the probabilities (C, D, H, W); then of the numbers (1, D, H, W) uint8.
        image_key: key of the preprocessed scan, a ``MetaTensor`` that remembers shape and affine of the scan.

    Raises:
        NoHeadError: when called, if no head is found.
    """

    def __init__(
        self,
        minimum_quality: float = 0.5,
        flag_quality: float = 0.7,
        refine: bool = True,
        pred_key: str = "pred",
        image_key: str = "image",
    ) -> None:
        self.minimum_quality, self.flag_quality = minimum_quality, flag_quality
        self.refine = refine
        self.pred_key, self.image_key = pred_key, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image: MetaTensor = data[self.image_key]
        shape = [int(size) for size in image.meta[MetaKeys.SPATIAL_SHAPE]]
        affine = torch.as_tensor(image.meta[MetaKeys.ORIGINAL_AFFINE], dtype=torch.float64)
        found = segment(
            data[self.pred_key],
            np.asarray(image.affine),
            shape,
            affine.numpy(),
            image=image if self.refine else None,
            minimum_quality=self.minimum_quality,
            flag_quality=self.flag_quality,
        )
        d = {**data, "segmentation": found}
        for key, values in ((self.pred_key, found.numbers), ("mask", found.brain_mask.astype(np.uint8))):
            d[key] = MetaTensor(torch.from_numpy(values)[None], affine=affine.clone())
        return d


def segmentation_postprocessing(
    *,
    minimum_quality: float = 0.5,
    flag_quality: float = 0.7,
    refine: bool = True,
    pred_key: str = "pred",
    image_key: str = "image",
) -> Compose:
    """From probabilities to label maps on the grid of the scan, see :class:`SegmentScand`.

    MONAI wraps what a step raises: ``NoHeadError`` is the cause of a RuntimeError.
    """
    return Compose([SegmentScand(minimum_quality, flag_quality, refine, pred_key, image_key)])
