"""Check that a segmentation network takes a grid, before data and weights are read."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn


def check_spatial_size(network: nn.Module, spatial_size: Sequence[int], num_classes: int) -> None:
    """Refuse a grid that does not pass through a network, or a network with another number of channels.

    The network is copied without its values, so this takes no time.

    Args:
        network: it takes (B, 1, D, H, W).
        spatial_size: (D, H, W) of the images.
        num_classes: channels that it must give.

    Raises:
        ValueError: naming ``spatial_size`` or ``network_def``.
    """
    plain = copy.deepcopy(network).to("meta").eval()
    try:
        with torch.no_grad():
            shape = tuple(plain(torch.empty(1, 1, *spatial_size, device="meta")).shape)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"spatial_size is {list(spatial_size)}, which does not pass through {type(network).__name__}: each size "
            f"must be a multiple of the network's whole stride. ({str(error).splitlines()[0][:150]})"
        ) from error
    if shape[1] != num_classes:
        raise ValueError(f"network_def gives {shape[1]} channels, expected one for each of {num_classes} classes.")
    if shape[2:] != tuple(spatial_size):
        raise ValueError(
            f"network_def gives {shape[2:]} voxels for spatial_size {list(spatial_size)}, expected as many."
        )
