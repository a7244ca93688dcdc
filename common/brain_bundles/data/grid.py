"""The grid that models work on: brain-centred, RAS, isotropic or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def grid_affine(spacing: float | Sequence[float], spatial_size: Sequence[int]) -> NDArray[np.float64]:
    """Voxel to world (mm) of a RAS grid whose centre is the world's origin, (4, 4) float64.

    Args:
        spacing: voxel size in mm, one number or one per axis.
        spatial_size: (D, H, W) voxels; the axes run to the right, to the front and to the top.
    """
    size = np.asarray(spatial_size, dtype=np.float64)
    step = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,))
    if size.shape != (3,) or (size < 1).any() or not np.isfinite(step).all() or (step <= 0).any():
        raise ValueError(
            f"spatial_size {list(spatial_size)} and spacing {spacing}: expected three sizes >= 1 and mm > 0."
        )
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -step * (size - 1) / 2
    return affine
