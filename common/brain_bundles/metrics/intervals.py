"""Intervals around a number: how far it would be from this one with other images of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95


def bootstrap_interval(
    statistic: Callable[..., ArrayLike],
    *sizes: int,
    num_resamples: int = 1000,
    level: float = LEVEL,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Percentile interval of the bootstrap: images of each set are drawn again, as many, with repetition.

    Args:
        statistic: maps indices of images, one array (N,) for each set, to a number or several.
        *sizes: number N of images of each set.
        num_resamples: number of draws.
        level: share of the draws within the interval.
        seed: seed of the draws.

    Returns:
        lower and upper end, (2,), or (2, K) of K numbers; NaN where a draw has none.

    Raises:
        ValueError: for an empty set, fewer than 2 draws, or a level that is not between 0 and 1.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    if min(sizes, default=0) < 1 or num_resamples < 2 or not 0 < level < 1:
        raise ValueError(
            f"a bootstrap needs images, 2 draws or more and a level between 0 and 1, got {sizes} images, "
            f"{num_resamples} draws and level {level}."
        )
    rng = np.random.default_rng(seed)
    drawn = [statistic(*(rng.integers(size, size=size) for size in sizes)) for _ in range(num_resamples)]
    return np.percentile(np.asarray(drawn, dtype=float), [50 * (1 - level), 50 * (1 + level)], axis=0)


def pairs_interval(
    values: Sequence[float], pairs: Sequence[tuple[int, int]], *, between: bool = False, level: float = LEVEL
) -> tuple[float, float]:
    """Normal interval of a mean over pairs of images. Pairs that share an image are not independent.

    A bootstrap of images would be too wide where each image is in few pairs: it draws both images of a pair, and so
    counts what is the pair's own three times.

    Args:
        values: (P,) one value for each pair.
        pairs: the two images of each.
        between: the first and the second image are of two sets, each with its own numbers.
        level: share of the intervals that hold the mean over all pairs of the population.

    Returns:
        lower and upper end; NaN for fewer than two pairs.

    Raises:
        ValueError: if there are not as many values as pairs.

    Source: Aronow, Samii & Assenova 2015, Political Analysis 23:564, equation 4 with a mean alone.
    """
    if len(values) != len(pairs):
        raise ValueError(f"{len(values)} values of {len(pairs)} pairs; expected one for each pair.")
    if len(values) < 2:
        return float("nan"), float("nan")
    left = np.asarray(values, dtype=float) - np.mean(values)
    first, second = np.asarray(pairs).T
    if between:
        second = second + first.max() + 1
    of_image = np.zeros(max(first.max(), second.max()) + 1)
    np.add.at(of_image, first, left)
    np.add.at(of_image, second, left)
    own = left @ left
    # The estimate may fall below what independent pairs have, by chance, where there are few.
    variance = max(of_image @ of_image - own, own) / len(values) ** 2
    width = NormalDist().inv_cdf((1 + level) / 2) * float(variance) ** 0.5
    mean = float(np.mean(values))
    return mean - width, mean + width
