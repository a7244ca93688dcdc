"""Shape of the latents of a grid, and the grids that networks can halve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn


def latent_shape(autoencoder: nn.Module, spatial_size: Sequence[int]) -> list[int]:
    """Compute the shape (C, d, h, w) of the latents of images on a grid.

    Args:
        autoencoder: an autoencoder with MONAI's encoder, which halves the grid between its levels, or with the number
            of voxels for one latent as ``downsampling``.
        spatial_size: voxels of the images, (D, H, W).

    Raises:
        ValueError: if a side of the grid cannot be halved that often.
    """
    network: Any = getattr(autoencoder, "autoencoder", autoencoder)
    factor = getattr(network, "downsampling", None) or 2 ** (len(network.encoder.channels) - 1)
    _check_multiples(spatial_size, factor, "the autoencoder halves each side")
    return [network.latent_channels, *(size // factor for size in spatial_size)]


def check_grid(autoencoder: nn.Module, network: nn.Module, spatial_size: Sequence[int]) -> None:
    """Check that the autoencoder and the network on its latents can halve a grid as often as they do.

    Args:
        autoencoder: see :func:`latent_shape`.
        network: a MONAI ``DiffusionModelUNet``, or a network around one; others are not checked.
        spatial_size: voxels of the images, without the slice axis for networks of slices.

    Raises:
        ValueError: with ``spatial_size`` and the factor.
    """
    sizes = latent_shape(autoencoder, spatial_size)[1:]
    halvings = sum(name.endswith("downsampler") for name, _ in network.named_modules())
    compressed = spatial_size[0] // sizes[0]
    _check_multiples(spatial_size, compressed * 2**halvings, "autoencoder and diffusion network halve each side")


def _check_multiples(spatial_size: Sequence[int], factor: int, why: str) -> None:
    if wrong := [size for size in spatial_size if size % factor or size < factor]:
        raise ValueError(
            f"spatial_size is {list(spatial_size)}, but {wrong[0]} is not a multiple of {factor}: {why} "
            f"{factor.bit_length() - 1} times."
        )
