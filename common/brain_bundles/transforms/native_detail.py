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
    the slope. Before, the native voxels are brought to the brightness of the interpolated ones by a line, fitted within
    the brain: statistics of a finer grid differ a little.

    Args:
        translation, slope: (C, D, H, W) of the model's grid, interpolated to the native grid.
        source: (1, D, H, W), likewise, on the model's scale.
        native: (1, D, H, W), the source as it is in its file, on the same scale.

    Returns:
        (C, D, H, W); where the source is 0 on either grid, the translation stays as it is.
    """
    smooth, own = plain_tensor(source).float(), plain_tensor(native).float()
    inside = (smooth > 0) & (own > 0)
    gain, offset = _line(smooth, own, inside)
    return translation + slope * ((own - offset) / gain - smooth) * inside


def _line(smooth: torch.Tensor, own: torch.Tensor, inside: torch.Tensor) -> tuple[float, float]:
    """Gain and offset of own = gain * smooth + offset + detail, (1, 0) where that cannot be known.

    Not the other way round: the detail would lower the gain. An eighth of the voxels is enough; those next to the
    border are left out, since interpolation has dimmed them.
    """
    x, y, known = (volume[:, ::2, ::2, ::2] for volume in (smooth, own, inside))
    inner = functional.max_pool3d((~known)[None].float(), 3, stride=1, padding=1)[0] == 0
    x, y = x[inner].double(), y[inner].double()
    if len(x) < 2 or not x.var() > 0:
        return 1.0, 0.0
    gain = float(((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0))
    return (gain, float(y.mean() - gain * x.mean())) if gain > 0 else (1.0, 0.0)


def _mean(values: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over a cube around each voxel; voxels beyond the border count as 0."""
    size = 2 * radius + 1
    return functional.avg_pool3d(values[None], size, stride=1, padding=radius)[0]
