"""Shape of the latents of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn


def latent_shape(autoencoder: nn.Module, spatial_size: Sequence[int]) -> list[int]:
    """Compute the shape (C, d, h, w) of the latents of images on a grid.

    Args:
        autoencoder: an autoencoder with MONAI's encoder, which halves the grid between its levels.
        spatial_size: voxels of the images, (D, H, W).

    Raises:
        ValueError: if a side of the grid cannot be halved that often.
    """
    network: Any = autoencoder
    factor = 2 ** (len(network.encoder.channels) - 1)
    if wrong := [size for size in spatial_size if size % factor or size < factor]:
        raise ValueError(
            f"spatial_size is {list(spatial_size)}, but {wrong[0]} is not a multiple of {factor}, by which the "
            "autoencoder compresses each side."
        )
    return [network.latent_channels, *(size // factor for size in spatial_size)]
