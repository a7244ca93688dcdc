"""Smooth random fields and motions. Points are (D, H, W, 3) voxel coordinates of the 1 mm atlas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F


def sample_at(volume: torch.Tensor, points: torch.Tensor, *, step: int = 1) -> torch.Tensor:
    """Trilinear values of a (C, D, H, W) volume at (d, h, w, 3) points, zero outside: (C, d, h, w).

    Args:
        volume: values at every ``step``-th atlas voxel.
        points: atlas voxel coordinates, in the order D, H, W.
        step: subsampling of ``volume``.
    """
    size = torch.tensor(volume.shape[1:], dtype=points.dtype)
    grid = (points / step) * (2.0 / (size - 1.0)) - 1.0
    # grid_sample wants the last axis first.
    return F.grid_sample(volume[None], grid.flip(-1)[None], mode="bilinear", align_corners=True)[0]


def _bspline_basis(size: int, spacing: float, knot_spacing: float) -> torch.Tensor:
    """(size, knots) values of uniform cubic B-splines at the centres of ``size`` voxels."""
    position = torch.arange(size, dtype=torch.float32) * (spacing / knot_spacing)
    knots = math.ceil((size - 1) * spacing / knot_spacing) + 4
    distance = (position[:, None] - (torch.arange(knots, dtype=torch.float32)[None] - 1.5)).abs()
    inner = 2.0 / 3.0 - distance**2 + distance**3 / 2.0
    outer = (2.0 - distance).clamp(min=0.0) ** 3 / 6.0
    return torch.where(distance < 1.0, inner, outer)


def random_field(
    shape: Sequence[int], *, channels: int, spacing: float, knot_spacing: float, generator: torch.Generator
) -> torch.Tensor:
    """A smooth Gaussian random field of unit standard deviation on average: (channels, D, H, W).

    Cubic B-splines over independent normal coefficients, ``knot_spacing`` mm apart; smooth to the second derivative.
    """
    bases = [_bspline_basis(size, spacing, knot_spacing) for size in shape]
    coefficients = torch.randn((channels, *(basis.shape[1] for basis in bases)), generator=generator)
    field = coefficients
    for basis in bases:  # one axis at a time: contracts the leading spatial axis and appends the rendered one
        field = torch.tensordot(field, basis, dims=([1], [1]))
    variance = math.prod(float((basis**2).sum(1).mean()) for basis in bases)
    return field / math.sqrt(variance)


def flow(
    points: torch.Tensor, velocity: torch.Tensor, time: float, *, step: int, max_step_mm: float = 2.0
) -> torch.Tensor:
    """Carry points along a stationary velocity field for ``time`` (mm at unit speed; negative runs backwards).

    Integration by the midpoint rule keeps the map invertible at any distance: points that move towards a medial axis
    slow down there and never cross it. Adding ``time * velocity`` once would not.
    """
    if time == 0.0:
        return points
    num_steps = max(1, math.ceil(abs(time) / max_step_mm))
    delta = time / num_steps
    for _ in range(num_steps):
        half = points + 0.5 * delta * sample_at(velocity, points, step=step).movedim(0, -1)
        points = points + delta * sample_at(velocity, half, step=step).movedim(0, -1)
    return points
