"""A rising curve between two scales of intensity."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from brain_bundles.utils.plain_tensor import plain_tensor

DIGITS = 5


class MonotoneCurve:
    """A curve that never falls, from [0, 1] to [0, 1], through given points and through (0, 0) and (1, 1).

    Both ends stay where they are: 0 is no signal in any look, and 1 is what is brighter than all tissue. So the darkest
    and brightest voxels, of which the points say nothing, keep their order, and air stays 0.

    Args:
        points: (N, 2), x and y of each point, in [0, 1]; x rises, y does not fall. No points give the identity.

    Raises:
        ValueError: for other points.

    Attributes:
        points: (N, 2) float64.

    Source: monotone cubic interpolation of Fritsch & Butland 1984, as SciPy's ``PchipInterpolator``.
    """

    def __init__(self, points: ArrayLike) -> None:
        given = np.asarray(points, dtype=np.float64)
        given = given.reshape(-1, 2) if given.size == 0 else given
        if given.ndim != 2 or given.shape[1] != 2 or not np.isfinite(given).all():
            raise ValueError(f"points have the shape {given.shape}, expected (N, 2) finite numbers.")
        ends = np.concatenate([[[0.0, 0.0]], given[(given[:, 0] > 0) & (given[:, 0] < 1)], [[1.0, 1.0]]])
        if given.size and (given.min() < 0 or given.max() > 1):
            raise ValueError(f"points reach from {given.min():g} to {given.max():g}, expected [0, 1].")
        if (np.diff(given[:, 0]) <= 0).any() or (np.diff(ends[:, 1]) < 0).any():
            raise ValueError(f"points are {given.tolist()}, expected x to rise and y not to fall.")
        self.points: NDArray[np.float64] = given
        self._curve = PchipInterpolator(ends[:, 0], ends[:, 1])

    @classmethod
    def fit(cls, x: ArrayLike, y: ArrayLike, weights: ArrayLike) -> MonotoneCurve:
        """The curve that is nearest to points in the mean square, among those that do not fall.

        Args:
            x, y: (N,) each, in [0, 1] and any order.
            weights: (N,), above 0.

        Source: isotonic regression, SciPy's ``isotonic_regression``.
        """
        # As they will be read back from a file: an image of 16 bits shows no more.
        found, index = np.unique(np.round(np.asarray(x, dtype=np.float64), DIGITS), return_inverse=True)
        known = np.asarray(weights, dtype=np.float64)
        total = np.bincount(index, known, len(found))
        mean = np.bincount(index, known * np.asarray(y, dtype=np.float64), len(found)) / total
        if len(found) == 0:
            return cls([])
        fitted = isotonic_regression(mean, weights=total)
        # Of a flat piece its two ends say all.
        first, last = fitted.blocks[:-1], fitted.blocks[1:] - 1
        kept = np.unique(np.concatenate([first, last]))
        return cls(np.stack([found[kept], fitted.x[kept].clip(0, 1).round(DIGITS)], axis=1))

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        """Values of any shape, clipped to [0, 1], on the other scale; float32."""
        values = plain_tensor(volume).detach().float()
        made = self._curve(values.clamp(0, 1).cpu().numpy())
        return torch.from_numpy(np.asarray(made, dtype=np.float32)).to(values.device)
