"""The population: joint distribution of age, sex, ventricular volume and brain volume in adults.

Fitted to 291 adults of the IXI data set (https://brain-development.org/ixi-dataset, CC BY-SA 3.0), with volumes by the
DLMUSE segmentation of the NiChart project (https://neuroimagingchart.com). Only the fitted coefficients are kept here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.covariates import CONTINUOUS, SEXES, Covariates, check_covariate

# Range of the draws. A model trained on the population extrapolates outside.
RANGE: Mapping[str, tuple[float, float]] = {
    "age": (40.0, 86.0),
    "ventricular_volume": (5.0, 105.0),
    "brain_volume": (850.0, 1550.0),
}
P = TypeVar("P", bound=Covariates)
_CHUNK, _MAX_CHUNKS = 256, 400

# Made by ``PopulationModel.fit``; rows of SEXES, columns of CONTINUOUS on the scale of ``to_normal``.
_WEIGHT = (0.616535, 0.383465)
_MEAN = ((0.876415, 2.7680652, 6.9921292), (0.7750237, 2.9787104, 7.1432262))
_COVARIANCE = (
    ((0.1667072, 0.1354054, -0.0107786), (0.1354054, 0.2907195, -0.0010853), (-0.0107786, -0.0010853, 0.0078438)),
    ((0.219829, 0.1833599, -0.026653), (0.1833599, 0.3420935, -0.0131411), (-0.026653, -0.0131411, 0.0101105)),
)


def to_normal(name: str, value: float, age_power: int = 2) -> float:
    """Value on the scale where the population is Gaussian. Age is squared: log ventricles grow faster late in life."""
    return (value / 60.0) ** age_power if name == "age" else math.log(value)


def _from_normal(u: NDArray[np.float64], age_power: int) -> NDArray[np.float64]:
    # A negative square of age becomes NaN, which is outside of every range and never kept.
    with np.errstate(invalid="ignore"):
        age = 60.0 * (np.sqrt(u[..., 0]) if age_power == 2 else u[..., 0])
        return np.concatenate([age[..., None], np.exp(u[..., 1:])], axis=-1)


def fit_truncated(x: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Mean and variance of the Gaussian that has the moments of ``x`` after truncation to [low, high]."""
    grid = low + (high - low) * (np.arange(4000) + 0.5) / 4000
    features = np.stack([grid, grid**2])
    target = np.array([x.mean(), (x**2).mean()])
    eta = np.array([x.mean() / x.var(), -0.5 / x.var()])  # natural parameters: Newton on a concave likelihood
    for _ in range(100):
        log_density = eta @ features
        density = np.exp(log_density - log_density.max())
        density /= density.sum()
        moments = features @ density
        hessian = (features * density) @ features.T - np.outer(moments, moments)
        step = np.linalg.solve(hessian, target - moments)
        eta = eta + step
        if np.abs(step).max() < 1e-10 * np.abs(eta).max():
            break
    if eta[1] >= 0:
        raise ValueError(
            "The ages have no single mode inside of the range; a truncated Gaussian does not describe them."
        )
    variance = -0.5 / eta[1]
    return float(eta[0] * variance), float(variance)


def _box_probability(mean: NDArray[np.float64], cov: NDArray[np.float64], bounds: list[tuple[float, float]]) -> float:
    """Probability of a 3D Gaussian inside of a box, by the midpoint rule (error below 1e-4 at 64 points per axis)."""
    axes = [lo + (hi - lo) * (np.arange(64) + 0.5) / 64 for lo, hi in bounds]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) - mean
    exponent = -0.5 * np.einsum("ni,ni->n", points, np.linalg.solve(cov, points.T).T)
    cell = math.prod((hi - lo) / 64 for lo, hi in bounds)
    return float(np.exp(exponent).sum() * cell / math.sqrt((2 * math.pi) ** 3 * np.linalg.det(cov)))


@dataclass(frozen=True)
class PopulationModel(Generic[P]):
    """A Gaussian per sex over (age^2, log ventricular volume, log brain volume, ...), truncated to ``range``.

    Its conditionals are truncated Gaussians again, mixed over sex, so draws given any subset of covariates are exact.

    Attributes:
        weight: probability of each sex in ``SEXES`` before truncation, shape (2,).
        mean: mean of ((age / 60)^2, log mL, log mL ...) before truncation, shape (2, N) for N ``names``.
        covariance: covariance on the same scale, shape (2, N, N).
        range: lowest and highest drawn value of each continuous covariate, in years and mL.
        names: the continuous covariates; age is the first.
        person: makes a person of the covariates.
        plausible: tells of a person if such people exist; draws of others are not kept.
        age_power: power of age on the Gaussian scale, 1 or 2.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    range: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(RANGE))
    names: tuple[str, ...] = CONTINUOUS
    person: Callable[..., P] = Covariates  # type: ignore[assignment]
    plausible: Callable[[P], bool] = lambda _: True
    age_power: int = 2

    @staticmethod
    def default() -> PopulationModel[Covariates]:
        """The IXI population, 40 to 86 years: 64 % women (see the module's docstring for the source and its terms)."""
        return PopulationModel(np.array(_WEIGHT), np.array(_MEAN), np.array(_COVARIANCE))

    @staticmethod
    def fit(table: Sequence[Mapping[str, object]]) -> PopulationModel[Covariates]:
        """Fit the model to the people in ``table``. The coefficients above come from the IXI table::

            PopulationModel.fit(list(csv.DictReader(open("ixi_covariates.csv"))))

        People outside of ``RANGE`` are left out. Age is fitted by maximum likelihood of a truncated Gaussian, which
        matches the sample's moments. The volumes are regressed on age; the truncation of age does not bias this. The
        truncation of the volumes cuts off about 2 % and is neglected. Squared age and log brain volume had a higher
        likelihood than the plain values (a gain of 4 and 3.7 in log likelihood).

        Raises:
            ValueError: if a row has an impossible value, or a sex has fewer than 10 people.
        """
        people = [Covariates(sex=str(row["sex"]), **{k: float(str(row[k])) for k in CONTINUOUS}) for row in table]
        people = [p for p in people if all(lo <= getattr(p, k) <= hi for k, (lo, hi) in RANGE.items())]
        weight, means, covariances = [], [], []
        for sex in SEXES:
            u = np.array([[to_normal(k, getattr(p, k)) for k in CONTINUOUS] for p in people if p.sex == sex])
            if len(u) < 10:
                raise ValueError(
                    f"{len(u)} people of sex {sex!r} inside of {dict(RANGE)}, expected at least 10 to fit."
                )
            bounds = [(to_normal(k, lo), to_normal(k, hi)) for k, (lo, hi) in RANGE.items()]
            mean, variance = fit_truncated(u[:, 0], *bounds[0])
            design = np.stack([np.ones(len(u)), u[:, 0]], axis=1)
            (intercept, slope), *_ = np.linalg.lstsq(design, u[:, 1:], rcond=None)
            residual = u[:, 1:] - design @ np.stack([intercept, slope])
            covariance = np.empty((3, 3))
            covariance[0, 0] = variance
            covariance[0, 1:] = covariance[1:, 0] = slope * variance
            covariance[1:, 1:] = residual.T @ residual / (len(u) - 2) + variance * np.outer(slope, slope)
            means.append(np.array([mean, *(intercept + slope * mean)]))
            covariances.append(covariance)
            # Dividing by the probability of a draw being kept gives the sexes their shares after truncation.
            weight.append(len(u) / len(people) / _box_probability(means[-1], covariance, bounds))
        return PopulationModel(np.array(weight) / sum(weight), np.array(means), np.array(covariances))

    def sample(
        self, n: int, rng: np.random.Generator, given: Mapping[str, float | str | None] | None = None
    ) -> list[P]:
        """Draw ``n`` people, conditioned on ``given``.

        Args:
            n: number of people.
            rng: the only source of randomness.
            given: fixed covariates; None means not fixed. They may lie outside of ``range`` and are returned exactly as
                given. Drawn values lie inside of ``range``.

        Raises:
            ValueError: if a given value is impossible, or so far out that no draw of the others is inside of ``range``.
        """
        fixed = {name: value for name, value in (given or {}).items() if value is not None}
        problems = [p for name, value in fixed.items() if (p := check_covariate(name, value))]
        if problems:
            raise ValueError(f"Impossible given covariates: {'; '.join(problems)}.")
        known = [i for i, name in enumerate(self.names) if name in fixed]
        free = [i for i, name in enumerate(self.names) if name not in fixed]
        values = np.array([to_normal(self.names[i], float(fixed[self.names[i]]), self.age_power) for i in known])
        log_weight, means, roots = [], [], []
        for s, sex in enumerate(SEXES):
            mean, covariance = self.mean[s], self.covariance[s]
            deviation = values - mean[known]
            inner = covariance[np.ix_(known, known)]
            gain = np.linalg.solve(inner, covariance[np.ix_(known, free)]).T  # (free, known)
            means.append(mean[free] + gain @ deviation)
            roots.append(np.linalg.cholesky(covariance[np.ix_(free, free)] - gain @ covariance[np.ix_(known, free)]))
            density = -0.5 * (deviation @ np.linalg.solve(inner, deviation) + np.linalg.slogdet(inner)[1])
            log_weight.append(math.log(self.weight[s]) + density if fixed.get("sex", sex) == sex else -math.inf)
        posterior = np.exp(np.array(log_weight) - max(log_weight))
        posterior /= posterior.sum()

        low, high = (np.array([self.range[self.names[i]][end] for i in free]) for end in (0, 1))
        people: list[P] = []
        for _ in range(_MAX_CHUNKS):
            if len(people) >= n:
                break
            size = max(_CHUNK, 2 * (n - len(people)))
            s = (rng.random(size) >= posterior[0]).astype(int)
            # Sex is drawn anew with each attempt: rejecting only the rest would bias it.
            noise = rng.standard_normal((size, len(free)))
            u = np.zeros((size, len(self.names)))
            u[:, free] = np.stack(means)[s] + np.einsum("nij,nj->ni", np.stack(roots)[s], noise)
            drawn = _from_normal(u, self.age_power)
            inside = np.all((drawn[:, free] >= low) & (drawn[:, free] <= high), axis=1)
            for row in np.flatnonzero(inside):
                one = {name: float(fixed.get(name, drawn[row, i])) for i, name in enumerate(self.names)}
                person = self.person(sex=SEXES[s[row]], **one)
                if len(people) < n and (self.plausible(person) or not free):
                    people.append(person)
        if len(people) < n:
            raise ValueError(
                f"Nobody in the population matches {fixed}: no draw of the others is inside of {dict(self.range)}. "
                "Give all covariates, or values nearer to the population."
            )
        return people
