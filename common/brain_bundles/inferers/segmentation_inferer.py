"""The forward pass of the segmenter: probabilities, with flipping on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from brain_bundles.inferers.tensor_modules import SegmentationModule
from brain_bundles.utils.precision import autocast, check_precision

LEFT_RIGHT = 2  # of (B, C, D, H, W) in RAS


class SegmentationInferer(Inferer):
    """Probabilities of the classes, (B, C, D, H, W) float32 with sum 1, of a network that gives logits.

    Args:
        flip: average with the prediction for the mirror image; classes have no sides, so nothing is exchanged. It takes
            twice the time.
        precision: fp32, bf16, fp16 or auto, resolved on the device of the input.

    Raises:
        ValueError: for an unknown precision.
    """

    def __init__(self, flip: bool = False, precision: str = "fp32") -> None:
        check_precision(precision)
        super().__init__()
        self.flip, self.precision = flip, precision

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Probabilities for images (B, 1, D, H, W)."""
        with autocast(self.precision, inputs.device):
            found = network(inputs, *args, **kwargs).float().softmax(1)
            if self.flip:
                mirrored = network(inputs.flip(LEFT_RIGHT), *args, **kwargs).float().softmax(1)
                found = (found + mirrored.flip(LEFT_RIGHT)) / 2
        return found

    def to_module(self, network: nn.Module, spatial_size: Sequence[int]) -> SegmentationModule:
        """The whole as one module, for export."""
        return SegmentationModule(self, network, spatial_size)
