"""Deterministic reconstruction by an autoencoder, for validation."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer

from brain_bundles.utils.precision import autocast


class ReconstructionInferer(Inferer):
    """``network.reconstruct(image)``: encode to the mean of the posterior, decode it.

    Args:
        precision: fp32, bf16, fp16 or auto.
    """

    def __init__(self, precision: str = "fp32") -> None:
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Reconstruction, float32, of ``inputs`` (B, C, D, H, W) or (B, C, H, W)."""
        network = getattr(network, "module", network)  # DistributedDataParallel has forward only
        with autocast(self.precision, inputs.device):
            return self.reconstruct(inputs, network, *args).float()

    def reconstruct(self, inputs: torch.Tensor, network: Any, *args: Any) -> torch.Tensor:
        """Reconstruct ``inputs``, under autocast; ``args`` are further arguments from the batch, unused here."""
        return network.reconstruct(inputs)
