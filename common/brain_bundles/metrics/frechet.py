"""Fréchet distance between two sets of feature vectors, as if both were Gaussian."""

from __future__ import annotations

import torch

from brain_bundles.metrics.feature_sets import checked_features

LEAST_VECTORS = 2  # a covariance needs two


def frechet_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Squared Fréchet distance of two Gaussians with the means and covariances of two sets.

    It is exact for fewer vectors than features, too. There it is biased upwards, and the fewer vectors the more: state
    both numbers, and compare only with distances of as many vectors.

    Args:
        first, second: features (N, F) and (M, F), any real dtype; N and M may differ.

    Returns:
        |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)), in the squared unit of the features; 0 for equal sets.

    Raises:
        ValueError: if the sets are not features of one length, a value is not finite, or a set has less than two.

    Source: Heusel et al. 2017, arXiv 1706.08500, equation 6.
    """
    x, y = checked_features(first, second, LEAST_VECTORS, "a Fréchet distance")
    # C1 = A'A and C2 = B'B, so C1 C2 has the eigenvalues of (A B')(A B')', and the trace of its root is the sum of the
    # singular values of A B'. No root of a singular matrix is needed. MONAI's FIDMetric takes one, of F x F.
    a, b = _root(x), _root(y)
    mixed = torch.linalg.svdvals(_square(a) @ _square(b).T).sum()
    value = (x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * mixed
    return max(float(value), 0.0)  # rounding may leave -1e-14


def _root(features: torch.Tensor) -> torch.Tensor:
    """A with A'A = the covariance, (N, F)."""
    return (features - features.mean(0)) / (len(features) - 1) ** 0.5


def _square(root: torch.Tensor) -> torch.Tensor:
    """The same with at most F rows: an orthogonal factor on the left changes no singular value."""
    return torch.linalg.qr(root, mode="r").R if root.shape[0] > root.shape[1] else root
