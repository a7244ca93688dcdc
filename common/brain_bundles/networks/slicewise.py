"""A 2D autoencoder for the slices of volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from brain_bundles.networks.latent_statistics import LatentStatistics


class SlicewiseAutoencoder(nn.Module):
    """Encode and decode volumes slice by slice with a 2D autoencoder.

    Volumes are (B, C, D, H, W); their latents (B, C', S, h, w), the slice axis first, one latent slice per slice. Any
    number of slices works.

    Args:
        autoencoder: a 2D autoencoder with :class:`~brain_bundles.networks.LatentStatistics`.
        slice_axis: spatial axis that counts the slices, 0, 1 or 2; on the models' RAS grid these are sagittal, coronal
            and axial slices.
        slices_per_pass: slices per forward pass of the autoencoder, which bounds memory.

    Raises:
        ValueError: if slice_axis is not 0, 1 or 2, or slices_per_pass is below 1.
    """

    def __init__(self, autoencoder: LatentStatistics, *, slice_axis: int = 2, slices_per_pass: int = 16) -> None:
        super().__init__()
        if slice_axis not in (0, 1, 2):
            raise ValueError(f"slice_axis is {slice_axis!r}, allowed are 0 (sagittal), 1 (coronal) and 2 (axial).")
        if slices_per_pass < 1:
            raise ValueError(f"slices_per_pass must be at least 1, got {slices_per_pass}.")
        self.autoencoder: Any = autoencoder  # the mixin does not declare reconstruct; MONAI's classes have it
        self.slice_axis, self.slices_per_pass = slice_axis, slices_per_pass

    def extra_repr(self) -> str:
        """Slice axis, to tell caches of latents apart: along another axis the same weights give other latents."""
        return f"slice_axis={self.slice_axis}"

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return self.autoencoder.latent_channels

    def set_latent_statistics(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """See :meth:`LatentStatistics.set_latent_statistics`."""
        self.autoencoder.set_latent_statistics(mean, std)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and sigma (B, C', S, h, w) of the raw posterior of volumes (B, C, D, H, W)."""
        return self._moments(x, self.autoencoder.raw_moments)

    def encode_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and sigma (B, C', S, h, w) of the normalised posterior of volumes (B, C, D, H, W)."""
        return self._moments(x, self.autoencoder.encode_moments)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Pass volumes (B, C, D, H, W) through encoder and decoder."""
        volumes = x.movedim(self.slice_axis + 2, 1)
        slices = volumes.flatten(0, 1).split(self.slices_per_pass)
        images = torch.cat([self.autoencoder.reconstruct(s) for s in slices])
        return images.reshape(*volumes.shape[:2], *images.shape[1:]).movedim(1, self.slice_axis + 2)

    def decode_stage_2_outputs(self, z: torch.Tensor) -> torch.Tensor:
        """Decode normalised latents (B, C', S, h, w) to volumes (B, C, D, H, W)."""
        batch, channels, num_slices = z.shape[:3]
        slices = z.transpose(1, 2).reshape(batch * num_slices, channels, *z.shape[3:])
        images = torch.cat([self.autoencoder.decode_stage_2_outputs(s) for s in slices.split(self.slices_per_pass)])
        volumes = images.reshape(batch, num_slices, *images.shape[1:]).transpose(1, 2)
        return volumes.movedim(2, self.slice_axis + 2)

    def _moments(
        self, x: torch.Tensor, encode: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        volumes = x.movedim(self.slice_axis + 2, 1)  # (B, S, C, H, W)
        parts = [encode(s) for s in volumes.flatten(0, 1).split(self.slices_per_pass)]
        mean, sigma = (torch.cat(part) for part in zip(*parts, strict=True))
        shape = (*volumes.shape[:2], *mean.shape[1:])
        return mean.reshape(shape).transpose(1, 2), sigma.reshape(shape).transpose(1, 2)
