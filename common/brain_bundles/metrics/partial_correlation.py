"""Correlation of two quantities that is left when others are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def partial_correlation(x: ArrayLike, y: ArrayLike, given: ArrayLike) -> float:
    """Pearson's r of what ``x`` and ``y`` (N,) have beyond linear functions of ``given`` (N, K); NaN without spread.

    Raises:
        ValueError: if the lengths differ, or N is not larger than K + 2.
    """
    one, other = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.asarray(given, dtype=float).reshape(len(one), -1)
    if not len(one) == len(other) == len(known) or len(one) <= known.shape[1] + 2:
        raise ValueError(
            f"{len(one)}, {len(other)} and {known.shape} values; expected equal numbers, and more than K + 2."
        )
    design = np.column_stack([np.ones(len(one)), known])
    left = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (one, other)]
    if (
        min(float(np.std(part)) / (float(np.std(whole)) or 1.0) for part, whole in zip(left, (one, other), strict=True))
        < 1e-9
    ):
        return float("nan")
    return float(np.corrcoef(left[0], left[1])[0, 1])
