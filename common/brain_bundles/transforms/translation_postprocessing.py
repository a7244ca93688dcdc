"""From a translator's output to an image on the grid of the scan: what the run writes, for other callers too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Compose, Transform

from brain_bundles.transforms.background import foreground
from brain_bundles.transforms.extract_brain import BRAIN_MASK, unpack
from brain_bundles.transforms.preprocessing import invert_preprocessing
from brain_bundles.utils.plain_tensor import plain_tensor


class BringBackd(Transform):
    """Bring volumes on the model's grid to the grid of their scan, within [0, 1] and 0 outside of its brain.

    The brain is that of the scan itself, and of a whole head the one that
    :class:`~brain_bundles.transforms.extract_brain.ExtractBraind` found.

    Args:
        preprocessing: transform from :func:`image_preprocessing` that was applied to ``image_key``.
        pred_key: key of the volumes (C, D, H, W).
        image_key: key of the preprocessed scan, a ``MetaTensor`` that remembers its transforms.

    Raises:
        ValueError: when called, if the scan does not remember its transforms.
    """

    def __init__(self, preprocessing: Compose, pred_key: str = "pred", image_key: str = "image") -> None:
        self.invert = invert_preprocessing(preprocessing, pred_key, image_key)
        self.pred_key, self.image_key = pred_key, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        back = self._back(d, plain_tensor(d[self.pred_key]).detach().float().cpu())
        # The brain of the scan on the same way: a background of 0 stays 0, to the voxel, and edges are not dimmed.
        brain = foreground(d[self.image_key])
        if not brain.all():
            back = back * (self._back(d, brain.float()) > 0.5)
        if packed := d.get(BRAIN_MASK):
            back = back * torch.from_numpy(unpack(packed, back.shape[1:]))
        d[self.pred_key] = back.clamp(0, 1)
        return d

    def _back(self, data: Mapping[Hashable, Any], volume: torch.Tensor) -> torch.Tensor:
        image = data[self.image_key]
        return self.invert({self.image_key: image, self.pred_key: volume})[self.pred_key]


def translation_postprocessing(preprocessing: Compose, pred_key: str = "pred", image_key: str = "image") -> Compose:
    """From translations on the model's grid to images on the grid of the scan, see :class:`BringBackd`."""
    return Compose([BringBackd(preprocessing, pred_key, image_key)])
