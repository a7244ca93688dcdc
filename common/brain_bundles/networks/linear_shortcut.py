"""A linear path around an autoencoder, initialised as a discrete cosine transform."""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn


class LinearShortcut(nn.Module):
    """Map patches to latents and back by one matrix each: two convolutions with the patch as kernel and stride.

    At the start the latents are the lowest spatial frequencies of each patch (an orthonormal DCT-II). So an autoencoder
    with this path begins as a block transform of known quality, and its convolutions learn the rest. Both matrices are
    trained.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the images.
        latent_channels: channels of the latents, at most ``in_channels * patch_size ** spatial_dims``.
        patch_size: voxels of a patch along each axis, the autoencoder's downsampling factor.

    Raises:
        ValueError: if there are more latent channels than numbers in a patch.

    Source: Ahmed et al. 1974, "Discrete cosine transform"; the idea of a shortcut from space to channels is from
    Chen et al. 2024, arXiv:2410.10733, section 3.2.
    """

    def __init__(self, spatial_dims: int, in_channels: int, latent_channels: int, patch_size: int) -> None:
        super().__init__()
        numbers = in_channels * patch_size**spatial_dims
        if latent_channels > numbers:
            raise ValueError(
                f"latent_channels is {latent_channels}, but a patch of {patch_size} voxels a side has {numbers} "
                "numbers."
            )
        down, up = {2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d)}[spatial_dims]
        self.analysis = down(in_channels, latent_channels, patch_size, patch_size, bias=False)
        self.synthesis = up(latent_channels, in_channels, patch_size, patch_size, bias=False)
        weight = cosine_basis(spatial_dims, in_channels, latent_channels, patch_size)
        with torch.no_grad():
            self.analysis.weight.copy_(weight)
            self.synthesis.weight.copy_(weight)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Encode images (B, in_channels, D, H, W) to latents (B, latent_channels, d, h, w), or the same in 2D."""
        return self.analysis(x)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode latents (B, latent_channels, d, h, w) to images (B, in_channels, D, H, W), or the same in 2D."""
        return self.synthesis(z)


def cosine_basis(spatial_dims: int, in_channels: int, number: int, patch_size: int) -> torch.Tensor:
    """The ``number`` lowest-frequency functions of the orthonormal DCT-II, (number, in_channels, k, k[, k])."""
    position = torch.arange(patch_size, dtype=torch.float64) + 0.5
    lines = [torch.cos(math.pi / patch_size * position * k) for k in range(patch_size)]
    lines = [line / line.norm() for line in lines]
    frequencies = sorted(
        itertools.product(range(patch_size), repeat=spatial_dims), key=lambda k: (sum(i * i for i in k), k)
    )
    weight = torch.zeros(number, in_channels, *(patch_size,) * spatial_dims, dtype=torch.float64)
    for index, (frequency, channel) in zip(
        range(number), itertools.product(frequencies, range(in_channels)), strict=False
    ):
        wave = lines[frequency[0]]
        for k in frequency[1:]:
            wave = wave[..., None] * lines[k]
        weight[index, channel] = wave
    return weight.float()
