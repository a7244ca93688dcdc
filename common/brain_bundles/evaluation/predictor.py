"""A trained network with its inferer, as one function of a source volume."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from brain_bundles.utils.precision import autocast


class Predictor:
    """Calls ``inferer(source, network)``, for the comparison of methods.

    Args:
        inferer: a :class:`~brain_bundles.inferers.VolumeTranslator`, or MONAI's ``SliceInferer`` for a 2D network.
        network: what it runs.
        device: where it runs.
        seeded: whether the inferer takes seeds; a method that draws nothing does not.
        precision: fp32, bf16, fp16 or auto, of networks that do not set their own.
    """

    def __init__(
        self,
        inferer: Inferer,
        network: nn.Module,
        *,
        device: str | torch.device = "cpu",
        seeded: bool = True,
        precision: str = "fp32",
    ) -> None:
        self.inferer, self.network = inferer, network
        self.device, self.seeded, self.precision = torch.device(device), seeded, precision

    @torch.inference_mode()
    def __call__(self, source: torch.Tensor, *, seeds: list[int]) -> torch.Tensor:
        """Target (B, 1, D, H, W) in [0, 1] of a source (B, 1, D, H, W), on the CPU; of several draws their mean."""
        self.network.eval()
        options: dict[str, Any] = {"seeds": seeds} if self.seeded else {}
        source = source.to(self.device)
        if self.seeded:  # it has a precision of its own
            target = self.inferer(source, self.network, **options)
        else:
            with autocast(self.precision, self.device):
                target = self.inferer(source, self.network)
        assert isinstance(target, torch.Tensor)
        return target[:, :1].float().clamp(0.0, 1.0).cpu()
