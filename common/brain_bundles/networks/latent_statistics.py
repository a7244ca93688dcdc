"""The scale of an autoencoder's latents, as part of its own state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class LatentStatistics(nn.Module):
    """Mixin of autoencoders: the ``*_stage_2_*`` methods use normalised latents, with mean 0 and std 1 per channel.

    The statistics are measured once over the training set (:meth:`set_latent_statistics`) and stored as buffers in the
    checkpoint. So no config needs a scale factor: MONAI's latent inferers work with ``scale_factor=1``.
    ``encode``, ``decode`` and ``forward`` stay raw, as autoencoder training needs them.

    The mixin comes before MONAI's class in the bases. MONAI's constructor runs first, then :meth:`_init_statistics`.

    Source: Rombach et al. 2022, arXiv 2112.10752 (section D.1 rescales latents to unit standard deviation).
    """

    latent_mean: torch.Tensor
    latent_std: torch.Tensor
    latent_channels: int

    def _init_statistics(self, latent_channels: int) -> None:
        self.latent_channels = latent_channels
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))

    def set_latent_statistics(
        self, mean: torch.Tensor | Sequence[float] | float, std: torch.Tensor | Sequence[float] | float
    ) -> None:
        """Store the mean and standard deviation of raw latents.

        Args:
            mean: one value per latent channel, shape (latent_channels,), or one number for all.
            std: likewise; positive.

        Raises:
            ValueError: when a length is neither 1 nor the number of latent channels, or a value is not finite, or a
                standard deviation is not positive.
        """
        values = {"mean": mean, "std": std}
        checked: dict[str, torch.Tensor] = {}
        for name, value in values.items():
            tensor = torch.as_tensor(value, dtype=torch.float32, device="cpu").flatten()
            if tensor.numel() not in (1, self.latent_channels):
                raise ValueError(
                    f"latent {name} has {tensor.numel()} values, the autoencoder has {self.latent_channels} latent "
                    f"channels; give one value per channel (or one number for all)."
                )
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(
                    f"latent {name} must be finite, got {tensor.tolist()}; check the encoded images for NaN."
                )
            if name == "std" and bool((tensor <= 0).any()):
                raise ValueError(
                    f"latent std must be positive, got {tensor.tolist()}; a channel without variance is useless: "
                    "train the autoencoder longer or with fewer latent channels."
                )
            checked[name] = tensor.expand(self.latent_channels)
        self.latent_mean.copy_(checked["mean"])
        self.latent_std.copy_(checked["std"])

    def normalise(self, z: torch.Tensor) -> torch.Tensor:
        """Normalise raw latents (B, C, ...)."""
        return (z - _per_channel(self.latent_mean, z)) / _per_channel(self.latent_std, z)

    def denormalise(self, z: torch.Tensor) -> torch.Tensor:
        """Turn normalised latents (B, C, ...) into raw latents."""
        return z * _per_channel(self.latent_std, z) + _per_channel(self.latent_mean, z)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the raw posterior, both (B, latent_channels, ...), of images (B, C, ...)."""
        raise NotImplementedError

    def encode_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the normalised posterior.

        Args:
            x: images (B, C, D, H, W) or (B, C, H, W).

        Returns:
            mean and sigma, both (B, latent_channels, ...): ``mean + sigma * noise`` is a normalised latent.
        """
        mean, sigma = self.raw_moments(x)
        return self.normalise(mean), sigma / _per_channel(self.latent_std, sigma)

    def encode_stage_2_inputs(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised sample of the posterior (B, latent_channels, ...), the input of the diffusion stage."""
        mean, sigma = self.encode_moments(x)
        return mean + sigma * torch.randn_like(mean)

    def decode_stage_2_outputs(self, z: torch.Tensor, **options: Any) -> torch.Tensor:
        """Decode normalised latents (B, latent_channels, ...) to images (B, C, ...)."""
        raise NotImplementedError


def _per_channel(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, *(1,) * (like.ndim - 2))
