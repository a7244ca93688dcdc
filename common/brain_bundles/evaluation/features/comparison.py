"""Comparison of two sets of features: distances, with what is needed to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from brain_bundles.evaluation.features.encoder import EncoderRecord
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.metrics.feature_sets import checked_features
from brain_bundles.metrics.frechet import frechet_distance
from brain_bundles.metrics.intervals import LEVEL
from brain_bundles.metrics.kernel_distance import KernelDistance, kernel_distance, squared_mmd
from brain_bundles.metrics.neighbourhoods import NEIGHBOURS, SCORES, distances, expected_coverage, scores_of_distances
from brain_bundles.utils.seeding import derive_seed

FRECHET, KERNEL = "frechet_distance", "kernel_distance"
METRICS = (FRECHET, KERNEL, *SCORES)
# Values that a metric can have; the unbiased kernel distance may be below 0.
RANGES = {FRECHET: (0.0, np.inf), KERNEL: (-np.inf, np.inf), "density": (0.0, np.inf)}
RANGES |= dict.fromkeys(("precision", "recall", "coverage"), (0.0, 1.0))


@dataclass(frozen=True)
class EqualNumbers:
    """The same metrics for sets of one size, where they can be compared: each depends on the number of vectors.

    Attributes:
        num: vectors of each set.
        splits: number of random divisions of the reference into two halves of that size.
        compared: metric -> (mean, standard deviation) over the divisions, of the compared set against one half.
        real: the same of the other half against that one: what a perfect set would reach.
        expected_coverage: coverage of two sets of one distribution, by theory.
    """

    num: int
    splits: int
    compared: Mapping[str, tuple[float, float]]
    real: Mapping[str, tuple[float, float]]
    expected_coverage: float


@dataclass(frozen=True)
class FeatureComparison:
    """Distances of a compared set from a reference, never without the encoder and both numbers.

    Attributes:
        name: name of the compared set.
        num_reference, num_compared: number of vectors of both sets.
        encoder: the encoder, with its weights.
        values: metric -> value, over all vectors of both sets. The kernel distance is the mean over its subsets.
        standard_errors: metric -> standard error, see :func:`compare_features`; None if it was not asked for.
        intervals: metric -> interval of 95 % around its value, from the same draws; None if it was not asked for.
        kernel: the kernel distance with its spread.
        k: number of neighbours of precision, recall, density and coverage.
        equal: the same metrics for equal numbers, with the real-against-real values.
        seed: seed of all draws.
    """

    name: str
    num_reference: int
    num_compared: int
    encoder: EncoderRecord
    values: Mapping[str, float]
    standard_errors: Mapping[str, float] | None
    intervals: Mapping[str, tuple[float, float]] | None
    kernel: KernelDistance
    k: int
    equal: EqualNumbers
    seed: int

    def as_json(self) -> dict[str, Any]:
        """The record as JSON types, with None for what is not finite."""
        return finite_json(asdict(self))


def compare_features(
    reference: torch.Tensor,
    compared: torch.Tensor,
    encoder: EncoderRecord,
    *,
    name: str = "compared",
    k: int = NEIGHBOURS,
    splits: int = 20,
    num_resamples: int = 100,
    seed: int = 0,
) -> FeatureComparison:
    """Compare a set of features with a reference by all metrics, and with what real images reach at equal numbers.

    Real against real needs two halves of the reference, so the equal number is half of the reference, or the number of
    compared vectors if that is less.

    A standard error is the standard deviation over random halves of both sets (a jackknife that deletes half of the
    vectors, Shao & Wu 1989, Ann. Statist. 17:1176). A bootstrap would repeat vectors, which have no distance from
    themselves: its error of recall was 1.5 to 2 times too large. The error does not include the bias of the metrics,
    which only sets of equal size share. An interval has the quantiles of the same draws around their own mean, moved
    to the value of the whole sets, and ends where the metric's values do.

    Args:
        reference: features (N, F), one vector of each person, usually of real images that no model was trained on.
        compared: features (M, F) of the same encoder.
        encoder: the encoder's record.
        name: name of the compared set.
        k: number of neighbours.
        splits: number of divisions of the reference into halves.
        num_resamples: number of halves for the standard errors and the intervals; 0 leaves them out.
        seed: seed of all draws.

    Raises:
        ValueError: if the sets are not features of that encoder, a value is not finite, or a set is too small: both
            halves of the reference, and halves of the compared set, must have more than k vectors.
    """
    if splits < 1 or num_resamples < 0 or num_resamples == 1:
        raise ValueError(f"expected a split or more, and 0 or 2 resamples or more, got {splits} and {num_resamples}.")
    for title, one in (("reference", reference), ("compared set", compared)):
        if one.ndim != 2 or one.shape[1] != encoder.num_features:
            raise ValueError(
                f"the {title} is {tuple(one.shape)}, expected (N, {encoder.num_features}) features of {encoder.name}."
            )
    least = max(k + 1, 2)
    needed = (2 * least, 2 * least if num_resamples else max(least, 4))
    if len(reference) < needed[0] or len(compared) < needed[1]:
        raise ValueError(
            f"a comparison by {k} neighbours with real against real needs {needed[0]} or more vectors of the reference "
            f"and {needed[1]} or more of the compared set, got {len(reference)} and {len(compared)}."
        )
    sets = _Sets(*checked_features(reference, compared, least, "a comparison of features"), k)
    drawn = _halves(sets, num_resamples, derive_seed(seed, "errors"))
    kernel = kernel_distance(reference, compared, seed=derive_seed(seed, "kernel"))
    values = {**sets.metrics(*sets.all), KERNEL: kernel.mean}
    return FeatureComparison(
        name=name,
        num_reference=len(reference),
        num_compared=len(compared),
        encoder=encoder,
        values=values,
        standard_errors={metric: std for metric, (_, std) in _spread(drawn).items()} if drawn else None,
        intervals=_intervals(values, drawn) if drawn else None,
        kernel=kernel,
        k=k,
        equal=_equal_numbers(sets, splits, derive_seed(seed, "halves")),
        seed=seed,
    )


class _Sets:
    """Both sets in one, with all distances: of a thousand draws they would take most of the time."""

    def __init__(self, reference: torch.Tensor, compared: torch.Tensor, k: int) -> None:
        self.vectors = torch.cat([reference, compared])
        self.distances = distances(self.vectors, self.vectors)
        self.all = torch.arange(len(self.vectors)).split([len(reference), len(compared)])
        self.k = k

    def metrics(self, one: torch.Tensor, other: torch.Tensor) -> dict[str, float]:
        """The metrics of some vectors against some others; both are places in the set of all."""
        pair = self.vectors[one], self.vectors[other]
        within_one, within_other, between = (
            self.distances[rows][:, columns] for rows, columns in ((one, one), (other, other), (one, other))
        )
        scores = scores_of_distances(within_one, within_other, between, k=self.k)
        return {FRECHET: frechet_distance(*pair), KERNEL: squared_mmd(*pair), **scores.means()}


def _halves(sets: _Sets, number: int, seed: int) -> list[dict[str, float]]:
    half = _drawer(seed)
    return [sets.metrics(*(half(places, len(places) // 2) for places in sets.all)) for _ in range(number)]


def _intervals(values: Mapping[str, float], drawn: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    found = {}
    for metric, value in values.items():
        ones = np.array([one[metric] for one in drawn])
        ends = value + np.quantile(ones, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - ones.mean()
        found[metric] = (float(ends[0].clip(*RANGES[metric])), float(ends[1].clip(*RANGES[metric])))
    return found


def _equal_numbers(sets: _Sets, splits: int, seed: int) -> EqualNumbers:
    reference, compared = sets.all
    num = min(len(reference) // 2, len(compared))
    draw = _drawer(seed)
    others, halves = [], []
    for _ in range(splits):
        one, other = draw(reference, 2 * num).split(num)
        halves.append(sets.metrics(one, other))
        others.append(sets.metrics(one, draw(compared, num)))
    return EqualNumbers(num, splits, _spread(others), _spread(halves), expected_coverage(num, num, sets.k))


def _drawer(seed: int) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Draw so many places in random order, none twice."""
    rng = np.random.default_rng(seed)
    return lambda places, number: places[torch.from_numpy(rng.permutation(len(places))[:number])]


def _spread(drawn: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each metric; NaN for the deviation of one."""
    columns = {metric: np.array([one[metric] for one in drawn]) for metric in METRICS}
    return {
        metric: (float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan"))
        for metric, values in columns.items()
    }
