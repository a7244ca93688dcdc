"""How volumes of a population depend on age and sex: a line through their logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VolumeRegression:
    """log(volume) = a + b * age + c * (sex is M). NaN where a number is not known.

    Attributes:
        num_measured: number of people whose volume was measured.
        median: median volume, mL.
        num_fitted: number of people with volume, age and sex; fewer than 8 are not fitted.
        percent_per_decade: change of the volume in ten years, %.
        percent_per_decade_error: standard error of it.
        percent_male: men's volume above women's of the same age, %.
        percent_male_error: standard error of it.
        percent_residual: standard deviation around the line, % of the volume.
        at_60: volume at 60 years, mean of the two sexes, mL.
    """

    num_measured: int
    median: float
    num_fitted: int = 0
    percent_per_decade: float = math.nan
    percent_per_decade_error: float = math.nan
    percent_male: float = math.nan
    percent_male_error: float = math.nan
    percent_residual: float = math.nan
    at_60: float = math.nan


LEAST_FITTED = 8


def regress_volume(
    volumes: Sequence[float], ages: Sequence[float | None], sexes: Sequence[str | None]
) -> VolumeRegression:
    """Fit the logarithm of a volume on age and sex by least squares.

    Args:
        volumes: (N,) mL, NaN where not measured.
        ages: (N,) years, None where unknown.
        sexes: (N,) "M" or "F", None where unknown. If all are of one sex, sex is left out of the line.

    Raises:
        ValueError: if the three differ in length.
    """
    rows = [(v, a, s) for v, a, s in zip(volumes, ages, sexes, strict=True) if math.isfinite(v) and v > 0]
    median = float(np.median([v for v, _, _ in rows])) if rows else math.nan
    known = [(math.log(v), a, float(s == "M")) for v, a, s in rows if a is not None and s is not None]
    if len(known) < LEAST_FITTED or len({a for _, a, _ in known}) < 2:
        return VolumeRegression(len(rows), median)
    y, age, male = map(np.array, zip(*known, strict=True))
    both = 0 < male.sum() < len(male)
    design = np.stack([np.ones_like(y), (age - 60) / 10, *([male - 0.5] if both else [])], axis=1)
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    residual = y - design @ solution
    variance = float(residual @ residual) / (len(y) - design.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(design.T @ design)))
    return VolumeRegression(
        num_measured=len(rows),
        median=median,
        num_fitted=len(y),
        percent_per_decade=100 * math.expm1(solution[1]),
        percent_per_decade_error=100 * math.exp(solution[1]) * float(errors[1]),
        percent_male=100 * math.expm1(solution[2]) if both else math.nan,
        percent_male_error=100 * math.exp(solution[2]) * float(errors[2]) if both else math.nan,
        percent_residual=100 * math.sqrt(variance),
        at_60=math.exp(solution[0]),
    )
