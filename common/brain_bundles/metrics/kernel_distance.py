"""Kernel distance (KID) between two sets of feature vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from brain_bundles.metrics.feature_sets import checked_features

MOST_IN_A_SUBSET = 1000
LEAST_VECTORS = 4  # subsets of two differ from each other


@dataclass(frozen=True)
class KernelDistance:
    """Squared maximum mean discrepancy of a cubic kernel over random subsets.

    Attributes:
        mean: mean over the subsets; its expectation is 0 for sets of one distribution, so it may be negative.
        std: standard deviation over the subsets: how much a set of ``subset_size`` varies. No standard error.
        subset_size: vectors of each set in a subset.
        num_subsets: number of subsets.
    """

    mean: float
    std: float
    subset_size: int
    num_subsets: int


def kernel_distance(
    first: torch.Tensor,
    second: torch.Tensor,
    *,
    subset_size: int | None = None,
    num_subsets: int = 100,
    seed: int = 0,
) -> KernelDistance:
    """Kernel distance by the kernel (x.y / F + 1)^3, unbiased, over subsets drawn without repetition.

    Args:
        first, second: features (N, F) and (M, F), any real dtype.
        subset_size: vectors of each set in a subset; by default half of the smaller set, at most 1000. With all of
            both sets every subset would be the same and the spread 0.
        num_subsets: number of subsets.
        seed: seed of the subsets.

    Raises:
        ValueError: if the sets are not features of one length, a value is not finite, a set has less than four or
            less than ``subset_size``, or one of the numbers is too small.

    Source: Binkowski et al. 2018, arXiv 1801.01401, section 4 and equation 3.
    """
    if (subset_size is not None and subset_size < 2) or num_subsets < 2:
        raise ValueError(f"subset_size and num_subsets must be at least 2, got {subset_size} and {num_subsets}.")
    x, y = checked_features(first, second, max(LEAST_VECTORS, subset_size or 0), "a kernel distance")
    size = subset_size or min(MOST_IN_A_SUBSET, min(len(x), len(y)) // 2)
    kernels = _kernels(x, y)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(num_subsets):
        i, j = (torch.from_numpy(rng.permutation(len(one))[:size]) for one in (x, y))
        values.append(_unbiased(kernels[0][i][:, i], kernels[1][j][:, j], kernels[2][i][:, j]))
    return KernelDistance(float(np.mean(values)), float(np.std(values, ddof=1)), size, num_subsets)


def squared_mmd(first: torch.Tensor, second: torch.Tensor) -> float:
    """Kernel distance of all vectors of two sets at once, unbiased: what the mean over many subsets tends to.

    Args:
        first, second: features (N, F) and (M, F), any real dtype.

    Raises:
        ValueError: if the sets are not features of one length, a value is not finite, or a set has less than two.

    Source: Gretton et al. 2012, JMLR 13:723, lemma 6, with the kernel of :func:`kernel_distance`.
    """
    return _unbiased(*_kernels(*checked_features(first, second, 2, "a kernel distance")))


def _kernels(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Kernel values within x, within y and between them."""
    return _kernel(x, x), _kernel(y, y), _kernel(x, y)


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _unbiased(within_x: torch.Tensor, within_y: torch.Tensor, between: torch.Tensor) -> float:
    return _mean_without_diagonal(within_x) + _mean_without_diagonal(within_y) - 2 * float(between.mean())


def _mean_without_diagonal(square: torch.Tensor) -> float:
    """Mean over pairs of different vectors: a vector with itself would bias it."""
    size = len(square)
    return float((square.sum() - square.diagonal().sum()) / (size * (size - 1)))
