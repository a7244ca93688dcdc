"""Images in the place of latents, for diffusion models without an autoencoder."""

from __future__ import annotations

from typing import Any

import torch

from brain_bundles.networks.latent_statistics import LatentStatistics


class ImageSpace(LatentStatistics):
    """An autoencoder without weights: the raw latents are the images themselves.

    Normalised latents are ``(image - mean) / std``, so that images in [0, 1] become the [-1, 1] of diffusion models of
    images. It stands wherever a pipeline of latents takes an autoencoder.

    Args:
        mean: intensity that becomes 0.
        std: unit of normalised intensities.

    Raises:
        ValueError: for numbers that are not finite, or a ``std`` that is not positive.
    """

    downsampling = 1  # see brain_bundles.networks.latent_shape

    def __init__(self, mean: float = 0.5, std: float = 0.5) -> None:
        super().__init__()
        self._init_statistics(1)
        self.set_latent_statistics(mean, std)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The images (B, 1, ...) and their spread, which is 0."""
        return x, torch.zeros_like(x)

    def decode_stage_2_outputs(self, z: torch.Tensor, **options: Any) -> torch.Tensor:
        """Images of normalised latents, both (B, 1, ...)."""
        return self.denormalise(z)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """The images (B, 1, ...) as they are."""
        return x
