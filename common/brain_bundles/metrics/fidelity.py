"""Fidelity of generated brains to their conditions: requested against measured values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain_bundles.metrics.intervals import bootstrap_interval

WITH_INTERVAL = ("pearson_r", "mean_error", "mean_absolute_error", "slope")
MIN_PAIRS_FOR_R = 8  # a correlation of fewer is mostly chance


@dataclass(frozen=True)
class Fidelity:
    """Agreement of measured with requested values, over the pairs where both are known. NaN where undefined.

    Attributes:
        n: number of pairs that count.
        n_unmeasured: number of pairs left out because the measured or the requested value is not finite.
        pearson_r: correlation; NaN for fewer than 8 pairs.
        mean_error: mean of measured - requested, in the unit of the values.
        mean_relative_error: mean of (measured - requested) / requested.
        mean_absolute_error: mean of |measured - requested|.
        slope: slope of the least-squares line of measured on requested; 1 is calibrated.
        intercept: intercept of that line.
    """

    n: int
    n_unmeasured: int
    pearson_r: float
    mean_error: float
    mean_relative_error: float
    mean_absolute_error: float
    slope: float
    intercept: float

    def as_json(self) -> dict[str, int | float | None]:
        """Fields by name, with None for undefined values: JSON has no NaN."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def requested_vs_measured(requested: ArrayLike, measured: ArrayLike) -> Fidelity:
    """Compare requested with measured values of one quantity.

    Args:
        requested: (N,) values that were requested, or are recorded as true.
        measured: (N,) values measured from the images, in the same unit; NaN where it failed.

    Raises:
        ValueError: if the two are not one-dimensional and of equal length.
    """
    x, y = np.asarray(requested, dtype=float), np.asarray(measured, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"requested and measured must be lists of equal length, got shapes {x.shape} and {y.shape}.")
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    nan = float("nan")
    error = y - x
    relative = float(np.mean(error / x)) if x.size and np.all(x != 0) else nan
    # A line needs two different requests; a correlation needs two different answers and enough pairs as well.
    slope = intercept = r = nan
    if x.size >= 2 and np.ptp(x) > 0:
        centred = x - x.mean()
        slope = float(centred @ y / (centred @ centred))
        intercept = float(y.mean() - slope * x.mean())
        if np.ptp(y) > 0 and x.size >= MIN_PAIRS_FOR_R:
            r = float(np.corrcoef(x, y)[0, 1])
    mean, absolute = (float(error.mean()), float(np.abs(error).mean())) if x.size else (nan, nan)
    return Fidelity(int(x.size), int((~known).sum()), r, mean, relative, absolute, slope, intercept)


def fidelity_intervals(
    requested: ArrayLike, measured: ArrayLike, *, num_resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float] | None]:
    """Bootstrap intervals of 95 % of r, slope, mean and mean absolute error, over the brains.

    Args:
        requested, measured: as for :func:`requested_vs_measured`.
        num_resamples: number of draws.
        seed: seed of the draws.

    Returns:
        field of :class:`Fidelity` -> ends; None where a draw of the brains has no such number.
    """
    x, y = np.asarray(requested, dtype=float), np.asarray(measured, dtype=float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if x.size < 2:
        return dict.fromkeys(WITH_INTERVAL)

    def numbers(chosen: NDArray[np.int64]) -> list[float]:
        found = requested_vs_measured(x[chosen], y[chosen])
        return [getattr(found, name) for name in WITH_INTERVAL]

    low, high = bootstrap_interval(numbers, x.size, num_resamples=num_resamples, seed=seed)
    ends = zip(WITH_INTERVAL, low.tolist(), high.tolist(), strict=True)
    return {name: (a, b) if math.isfinite(a) and math.isfinite(b) else None for name, a, b in ends}
