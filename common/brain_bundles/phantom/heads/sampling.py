"""Values of a map at points between its voxels."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def sample(volume: torch.Tensor, points: torch.Tensor, *, step: int = 1) -> torch.Tensor:
    """Trilinear values of a (C, D, H, W) volume at points (..., 3), continued beyond its faces: (C, ...).

    Args:
        volume: values at every ``step``-th voxel of the map.
        points: voxels of the map, in the order D, H, W.
        step: subsampling of ``volume``.
    """
    size = torch.tensor(volume.shape[1:], dtype=points.dtype)
    grid = (points.reshape(1, 1, 1, -1, 3) / step) * (2.0 / (size - 1.0)) - 1.0
    values = F.grid_sample(volume[None], grid.flip(-1), mode="bilinear", padding_mode="border", align_corners=True)
    return values.reshape(volume.shape[0], *points.shape[:-1])


def lookup(volume: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Values of a (D, H, W) volume at the voxels nearest to points (..., 3)."""
    index = points.round().long()
    flat = torch.zeros(points.shape[:-1], dtype=torch.long)
    for axis, size in enumerate(volume.shape):
        flat = flat * size + index[..., axis].clamp(0, size - 1)
    return volume.reshape(-1)[flat]
