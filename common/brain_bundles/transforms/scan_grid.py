"""Volumes of a model's grid on the grid of the scan that they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

SLAB_VALUES = 2**24  # numbers in a slab, 64 MB


def to_scan_grid(
    volume: torch.Tensor, affine: ArrayLike, shape: Sequence[int], scan_affine: ArrayLike
) -> Iterator[tuple[int, torch.Tensor]]:
    """Sample channels at the voxels of another grid, one slab of slices after the other: memory stays bounded.

    Trilinear; 0 outside of the volume. All channels are sampled at once, since the places are the same.

    Args:
        volume: (C, D, H, W).
        affine: (4, 4) of the volume, voxel indices to RAS+ mm.
        shape: (D, H, W) of the scan.
        scan_affine: (4, 4) of the scan.

    Yields:
        the first slice along D of a slab, and its values (C, n, H, W), float32. Slabs come in order and cover the scan.
    """
    device = volume.device
    matrix = np.linalg.inv(np.asarray(affine, dtype=np.float64)) @ np.asarray(scan_affine, dtype=np.float64)
    # grid_sample counts from -1 to 1 between the centres of the first and the last voxel, the last axis first.
    scale = 2.0 / np.maximum(np.array(volume.shape[1:]) - 1, 1)
    steps = torch.from_numpy(matrix[:3, :3] * scale[:, None]).float().to(device)
    start = torch.from_numpy(matrix[:3, 3] * scale - 1).float().to(device)
    depth, height, width = (torch.arange(int(n), dtype=torch.float32, device=device) for n in shape)
    in_slice = height[:, None, None] * steps[:, 1] + width[None, :, None] * steps[:, 2] + start
    number = max(1, SLAB_VALUES // (len(volume) * len(height) * len(width)))
    for first in range(0, len(depth), number):
        slab = depth[first : first + number]
        grid = slab[:, None, None, None] * steps[:, 0] + in_slice
        values = torch.nn.functional.grid_sample(
            volume[None].float(), grid.flip(-1)[None], mode="bilinear", padding_mode="zeros", align_corners=True
        )
        yield first, values[0]
