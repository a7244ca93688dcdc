"""Area under the ROC curve of a two-sample test, and its confidence interval."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from scipy import optimize, stats


def auc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs in which the positive case has the higher score; ties count half. NaN without a pair.

    Args:
        negative, positive: scores (N,), (M,).
    """
    if not len(negative) or not len(positive):
        return float("nan")
    return float(stats.mannwhitneyu(positive, negative).statistic / (len(negative) * len(positive)))


def auc_interval(value: float, num_negative: int, num_positive: int, confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of an AUC; it has a width at 0 and 1, too, where a bootstrap has none.

    It takes scores of different people as independent. Those of a cross-validation are not quite, see
    :func:`brain_bundles.evaluation.populations.two_sample.tell_apart`.

    Args:
        value: the AUC.
        num_negative, num_positive: number of people in the two sets.
        confidence: probability that the interval covers.

    Returns:
        lower and upper end; NaN for an AUC that is NaN.

    Raises:
        ValueError: if a set is empty, or the AUC or the confidence is not within its range.

    Source: Newcombe 2006, Statistics in Medicine 25:559, method 5: a score interval, with Hanley and McNeil's variance.
    """
    if math.isnan(value):
        return float("nan"), float("nan")
    if min(num_negative, num_positive) < 1 or not 0 <= value <= 1 or not 0 < confidence < 1:
        raise ValueError(
            f"expected an AUC and a confidence within 0 and 1 and two sets of people, got {value}, {confidence}, "
            f"{num_negative} and {num_positive}."
        )
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    more = (num_negative + num_positive) / 2 - 1

    def excess(theta: float) -> float:
        """Squared distance from ``theta``, less the square of z standard errors at ``theta``."""
        spread = 1 + more * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 - z**2 * theta * (1 - theta) * spread / (num_negative * num_positive)

    lower = 0.0 if value == 0 else optimize.brentq(excess, 0.0, value - 1e-12) if excess(0.0) > 0 else 0.0
    upper = 1.0 if value == 1 else optimize.brentq(excess, value + 1e-12, 1.0) if excess(1.0) > 0 else 1.0
    return float(lower), float(upper)
