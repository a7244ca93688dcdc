"""MONAI's VQVAE with the scale of its latents in its own state."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import VQVAE

from brain_bundles.networks.latent_statistics import LatentStatistics


class LatentVQVAE(LatentStatistics, VQVAE):
    """VQVAE with :class:`LatentStatistics`; takes the arguments of MONAI's class.

    The diffusion stage works on the encoder's output before quantisation, and decoding quantises first, as latent
    diffusion does with a VQ-regularised autoencoder (Rombach et al. 2022, arXiv 2112.10752, section 3.1).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._init_statistics(self.embedding_dim)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.encode(x)
        return z, torch.zeros_like(z)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, C, ...) through encoder, quantiser and decoder."""
        return self.decode(self.quantize(self.encode(x))[0])

    def decode_stage_2_outputs(self, z: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.decode(self.quantize(self.denormalise(z))[0])
