"""The training forward pass of a diffusion network in any precision on any device."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import Scheduler

from brain_bundles.utils.precision import autocast, check_precision


class AutocastDiffusionInferer(DiffusionInferer):
    """MONAI's DiffusionInferer whose network computes in ``precision``; noising and the result stay in float32.

    The ``amp`` of MONAI's trainers autocasts on CUDA only. For fp16 set it as well: it brings the loss scaling.

    Args:
        scheduler: adds the noise.
        precision: fp32, bf16, fp16 or auto, resolved on the device of the input.

    Raises:
        ValueError: for an unknown precision.
    """

    def __init__(self, scheduler: Scheduler, precision: str = "fp32") -> None:
        check_precision(precision)
        super().__init__(scheduler)
        self.precision = precision

    def __call__(self, inputs: torch.Tensor, diffusion_model: Any, *args: Any, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        def network(*network_args: Any, **network_kwargs: Any) -> torch.Tensor:
            with autocast(self.precision, inputs.device):
                return diffusion_model(*network_args, **network_kwargs)

        return super().__call__(inputs, network, *args, **kwargs).float()  # type: ignore[arg-type]
