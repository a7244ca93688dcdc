"""A plain forward pass in any precision on any device."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer

from brain_bundles.utils.memory_format import resolve_channels_last, to_memory_format
from brain_bundles.utils.precision import autocast, check_precision


class AutocastInferer(SimpleInferer):
    """MONAI's SimpleInferer whose network computes in ``precision``; the result is float32.

    Channels are last in memory where that is faster, see
    :func:`~brain_bundles.utils.memory_format.resolve_channels_last`.

    Args:
        precision: fp32, bf16, fp16 or auto, resolved on the device of the input. For fp16 set ``amp`` of the trainer as
            well: it brings the loss scaling.

    Raises:
        ValueError: for an unknown precision.
    """

    def __init__(self, precision: str = "fp32") -> None:
        check_precision(precision)
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """``network(inputs, *args, **kwargs)``."""
        if inputs.ndim in (4, 5):
            inputs = to_memory_format(inputs, resolve_channels_last(None, self.precision, inputs.device))
        with autocast(self.precision, inputs.device):
            return super().__call__(inputs, network, *args, **kwargs).float()
