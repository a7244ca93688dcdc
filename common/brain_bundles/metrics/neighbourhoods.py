"""Precision, recall, density and coverage of a set of feature vectors, by nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from brain_bundles.metrics.feature_sets import checked_features

NEIGHBOURS = 5
SCORES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class NeighbourhoodScores:
    """Contribution of each vector to the four scores, float64; a score is the mean of its contributions.

    Attributes:
        precision: (M,) 1 for compared vectors within a ball of the reference: share that looks real.
        recall: (N,) 1 for reference vectors within a ball of the compared set: share of what is real that it reaches.
        density: (M,) number of the reference's balls around each compared vector / k. Its mean is 1 for sets of one
            distribution, and may be more.
        coverage: (N,) 1 for reference vectors with a compared vector in their ball. See :func:`expected_coverage`.
        k: number of neighbours.
    """

    precision: torch.Tensor
    recall: torch.Tensor
    density: torch.Tensor
    coverage: torch.Tensor
    k: int

    def means(self) -> dict[str, float]:
        """The four scores by name."""
        return {name: float(getattr(self, name).mean()) for name in SCORES}


def neighbourhood_scores(
    reference: torch.Tensor, compared: torch.Tensor, *, k: int = NEIGHBOURS
) -> NeighbourhoodScores:
    """Compare a set with a reference by balls around its vectors, each up to the k-th nearest other vector of its set.

    A vector on the border is outside, as in the authors' code. So a collapsed encoder, which gives all images one
    vector, has scores of 0, not of 1.

    Args:
        reference: features (N, F), any real dtype.
        compared: features (M, F).
        k: number of neighbours.

    Raises:
        ValueError: if the sets are not features of one length, a value is not finite, k is below 1, or a set has not
            more than k vectors.

    Source: Kynkaanniemi et al. 2019, arXiv 1904.06991 (precision, recall); Naeem et al. 2020, arXiv 2002.09797,
    section 3 (density, coverage), which has k = 5.
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1 neighbour.")
    x, y = checked_features(reference, compared, k + 1, f"a comparison of {k} nearest neighbours")
    return scores_of_distances(distances(x, x), distances(y, y), distances(x, y), k=k)


def scores_of_distances(
    within_reference: torch.Tensor, within_compared: torch.Tensor, between: torch.Tensor, *, k: int = NEIGHBOURS
) -> NeighbourhoodScores:
    """Scores as :func:`neighbourhood_scores` gives them, from distances: those of many subsets are measured once.

    Args:
        within_reference: (N, N), more than k vectors.
        within_compared: (M, M), more than k vectors.
        between: (N, M).
        k: number of neighbours.
    """
    in_x, in_y = between < _radius(within_reference, k)[:, None], between < _radius(within_compared, k)[None]
    return NeighbourhoodScores(
        precision=in_x.any(0).double(),
        recall=in_y.any(1).double(),
        density=in_x.double().sum(0) / k,
        coverage=in_x.any(1).double(),
        k=k,
    )


def expected_coverage(num_reference: int, num_compared: int, k: int = NEIGHBOURS) -> float:
    """Coverage that two sets of one distribution have on average: below 1, and dependent on both numbers alone.

    Source: Naeem et al. 2020, arXiv 2002.09797, lemma 2.
    """
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (num_reference - i) / (num_reference + num_compared - i)
    return 1 - missed


def distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Euclidean distances between the vectors of two sets, (N, F) and (M, F): (N, M)."""
    # By matrix products they lose digits where vectors are long and near to each other.
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _radius(distance: torch.Tensor, k: int) -> torch.Tensor:
    """Distance of each vector to its k-th nearest other one, (N,), from those within the set (N, N)."""
    return distance.clone().fill_diagonal_(torch.inf).kthvalue(k, dim=1).values
