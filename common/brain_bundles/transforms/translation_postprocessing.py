"""From a translator's output to an image on the grid of the scan: what the run writes, for other callers too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Compose, Transform

from brain_bundles.data.read_image import read_image
from brain_bundles.transforms.background import foreground
from brain_bundles.transforms.extract_brain import BRAIN_MASK, unpack
from brain_bundles.transforms.intensity import ScaleForegroundd
from brain_bundles.transforms.native_detail import add_detail, local_slope
from brain_bundles.transforms.preprocessing import invert_preprocessing
from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.plain_tensor import plain_tensor

NATIVE_DETAIL = "native_detail"  # entry of an item that has it refused


class BringBackd(Transform):
    """Bring volumes on the model's grid to the grid of their scan, within [0, 1] and 0 outside of its brain.

    The brain is that of the scan itself, and of a whole head the one that
    :class:`~brain_bundles.transforms.extract_brain.ExtractBraind` found.

    Args:
        preprocessing: transform from :func:`image_preprocessing` that was applied to ``image_key``.
        pred_key: key of the volumes (C, D, H, W).
        image_key: key of the preprocessed scan, a ``MetaTensor`` that remembers its transforms.
        native_detail: add the detail of the scan's own grid, see :mod:`brain_bundles.transforms.native_detail`. An item
            whose ``native_detail`` is False gets none: its volumes are no images.

    Raises:
        ValueError: when called, if the scan does not remember its transforms.
        ImageError: when called with ``native_detail``, if the scan's file cannot be read again.
    """

    def __init__(
        self, preprocessing: Compose, pred_key: str = "pred", image_key: str = "image", native_detail: bool = False
    ) -> None:
        self.invert = invert_preprocessing(preprocessing, pred_key, image_key)
        self.pred_key, self.image_key, self.native_detail = pred_key, image_key, native_detail
        self.scalers = [step.scaler for step in preprocessing.transforms if isinstance(step, ScaleForegroundd)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        made = plain_tensor(d[self.pred_key]).detach().float().cpu()
        back = self._back(d, made)
        if self.native_detail and d.get(NATIVE_DETAIL, True):
            back = self._with_detail(d, made, back)
        # The brain of the scan on the same way: a background of 0 stays 0, to the voxel, and edges are not dimmed.
        brain = foreground(d[self.image_key])
        if not brain.all():
            back = back * (self._back(d, brain.float()) > 0.5)
        if packed := d.get(BRAIN_MASK):
            back = back * torch.from_numpy(unpack(packed, back.shape[1:]))
        d[self.pred_key] = back.clamp(0, 1)
        return d

    def _with_detail(self, data: Mapping[Hashable, Any], made: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
        """Volumes (C, D, H, W) on the scan's grid, ``back``, with the detail that their scan has there."""
        coarse = plain_tensor(data[self.image_key]).detach().float().cpu()
        native = torch.from_numpy(read_image(file_of(data[self.image_key])).voxels)[None]
        if packed := data.get(BRAIN_MASK):
            native = native * torch.from_numpy(unpack(packed, native.shape[1:]))
        for scaler in self.scalers:
            native = scaler(native)
        slope = self._back(data, local_slope(coarse, made))
        return add_detail(back, slope, self._back(data, coarse), native)

    def _back(self, data: Mapping[Hashable, Any], volume: torch.Tensor) -> torch.Tensor:
        image = data[self.image_key]
        return self.invert({self.image_key: image, self.pred_key: volume})[self.pred_key]


def translation_postprocessing(
    preprocessing: Compose, pred_key: str = "pred", image_key: str = "image", *, native_detail: bool = False
) -> Compose:
    """From translations on the model's grid to images on the grid of the scan, see :class:`BringBackd`.

    Args:
        preprocessing: transform from :func:`image_preprocessing` that was applied to ``image_key``.
        pred_key: key of the volumes (C, D, H, W).
        image_key: key of the preprocessed scan.
        native_detail: add the detail that the scan has on its own grid to what was made on the model's.
    """
    return Compose([BringBackd(preprocessing, pred_key, image_key, native_detail)])
