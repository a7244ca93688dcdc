"""Detail of the source for a translation that was made on a coarser grid."""

from __future__ import annotations

import torch
from torch.nn import functional

from brain_bundles.utils.plain_tensor import plain_tensor

RADIUS = 1  # voxels of the model's grid: a window of three
EPSILON = 1e-3  # variance of the source within a window, on its scale of [0, 1], below which it explains little


def local_slope(
    source: torch.Tensor, translation: torch.Tensor, *, radius: int = RADIUS, epsilon: float = EPSILON
) -> torch.Tensor:
    """How much the translation changes with the source around each voxel: the slope of a local linear model.

    Args:
        source, translation: (C, D, H, W) on the model's grid; what is 0 in the source is outside of the brain.
        radius: half width of the window, voxels.
        epsilon: added to the variance of the source, so that a flat source gives 0.

    Returns:
        (C, D, H, W), the mean over the windows that a voxel is part of; 0 outside of the brain.

    Source: He & Sun 2015, Fast guided filter, arXiv:1505.00996, equations 2, 3 and 5, within a mask.
    """
    guide, made = plain_tensor(source).float(), plain_tensor(translation).float()
    inside = (guide != 0).float()
    weight = _mean(inside, radius).clamp(min=1e-6)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return _mean(values * inside, radius) / weight

    centre, target = mean(guide), mean(made)
    covariance = mean(guide * made) - centre * target
    variance = (mean(guide * guide) - centre * centre).clamp(min=0)
    return mean(covariance / (variance + epsilon)) * inside


def add_detail(
    translation: torch.Tensor, slope: torch.Tensor, source: torch.Tensor, native: torch.Tensor
) -> torch.Tensor:
    """A translation with the detail that its source has on the native grid.

    What interpolation took from the source, its native voxels less the interpolated ones, is added in proportion to
    the slope. The native source is brought to the model's scale by one factor, fitted within the brain.

    Args:
        translation, slope, source: (1, D, H, W) of the model's grid, interpolated to the native grid.
        native: (1, D, H, W) the source as it is in its file.

    Returns:
        (1, D, H, W); where the source is 0 on either grid, the translation stays as it is.
    """
    smooth, own = plain_tensor(source).float(), plain_tensor(native).float()
    inside = (smooth > 0) & (own > 0)
    if not bool(inside.any()):
        return translation
    factor = (smooth * own)[inside].sum() / own[inside].square().sum()
    return translation + slope * (factor * own - smooth) * inside


def _mean(values: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over a cube around each voxel; voxels beyond the border count as 0."""
    size = 2 * radius + 1
    return functional.avg_pool3d(values[None], size, stride=1, padding=radius)[0]
