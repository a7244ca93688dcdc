"""Variety among brains of equal conditions: how much of the variance of a set the conditions leave."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain_bundles.metrics.intervals import bootstrap_interval


class ConditionalVariance:
    """Variance within equal conditions, and of the whole set, of numbers that describe images.

    By the law of total variance a set's variance is that of images of equal conditions, on average, plus that of their
    means. Few images have equal conditions, so the means are a linear function of the conditions, by least squares: the
    variance within is what that leaves. A generator that gives one brain for each condition has next to none of it.

    Args:
        images: (N, F) numbers that describe each image, such as block means; F may be far above N.
        conditions: (N, K) conditions of each.

    Attributes:
        num: N.

    Raises:
        ValueError: if the numbers of rows differ, a value is not finite, or N is not above K + 2.

    Compare: Zhu et al. 2017, arXiv 1711.11586, section 5, who measure the variety of outputs of one input by drawing it
    again; that needs more images, and there are none such of real people.
    """

    def __init__(self, images: ArrayLike, conditions: ArrayLike) -> None:
        y, x = np.asarray(images, dtype=float), np.asarray(conditions, dtype=float)
        if y.ndim != 2 or x.ndim != 2 or len(y) != len(x) or len(x) <= x.shape[1] + 2:
            raise ValueError(
                f"images are {y.shape} and conditions {x.shape}; expected (N, F) and (N, K) with N above K + 2."
            )
        if not np.isfinite(y).all() or not np.isfinite(x).all():
            raise ValueError("an image or a condition is not finite.")
        self.num, self._features = y.shape
        centred = y - y.mean(0)
        self._products = centred @ centred.T  # all that sums of squares need, of any choice of images
        spread = x.std(0)
        scaled = (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)
        self._design = np.column_stack([np.ones(len(x)), scaled])

    def variances(self, chosen: NDArray[np.int64] | None = None) -> tuple[float, float]:
        """Variance within equal conditions and in all, means over the numbers of an image; of chosen images or all."""
        index = np.arange(self.num) if chosen is None else chosen
        products, design = self._products[np.ix_(index, index)], self._design[index]
        left, values, _ = np.linalg.svd(design, full_matrices=False)
        basis = left[:, values > 1e-9 * values[0]]  # a condition that all share has no direction of its own
        squares = float(products.trace())
        number = len(index)
        within = (squares - float((basis * (products @ basis)).sum())) / (number - basis.shape[1])
        total = (squares - float(products.sum()) / number) / (number - 1)
        return max(within, 0.0) / self._features, max(total, 0.0) / self._features


def conditional_variance_ratio(
    generated: ConditionalVariance, reference: ConditionalVariance, *, num_resamples: int = 1000, seed: int = 0
) -> tuple[float, tuple[float, float] | None]:
    """Variance within equal conditions of a generated set relative to a reference, 1 if it is as varied.

    Args:
        generated, reference: both sets, described by the same numbers.
        num_resamples: draws of the bootstrap interval; 0 for none.
        seed: seed of the draws.

    Returns:
        ratio, NaN for a reference without variance; ends of its interval of 95 %, or None.
    """

    def ratio(*chosen: NDArray[np.int64] | None) -> float:
        (made, _), (real, _) = (one.variances(index) for one, index in zip((generated, reference), chosen, strict=True))
        return made / real if real > 0 else math.nan

    if not num_resamples:
        return ratio(None, None), None
    sizes = generated.num, reference.num
    low, high = bootstrap_interval(ratio, *sizes, num_resamples=num_resamples, seed=seed).tolist()
    return ratio(None, None), (low, high)
