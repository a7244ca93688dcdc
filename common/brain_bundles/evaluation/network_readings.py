"""What the segmenter reads from generated brains: volumes, age and sex, beside what was asked for."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from brain_bundles.data.covariates import HEAD_SIZE
from brain_bundles.data.read_image import read_image
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.image_regressor import ImageRegressor, image_features
from brain_bundles.metrics.fidelity import fidelity_intervals, requested_vs_measured
from brain_bundles.metrics.intervals import bootstrap_interval
from brain_bundles.metrics.partial_correlation import partial_correlation
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.user_warning import BrainBundlesWarning

AGE, SEX = "age", "sex"
SIZES = (*VOLUMES, HEAD_SIZE)
# What shows in how a brain looks -> the conditions given which it is compared once more, where all are known.
GIVEN: Mapping[str, tuple[str, ...]] = {AGE: (SEX, *VOLUMES), SEX: (AGE, *SIZES)}


@dataclass(frozen=True)
class Reading:
    """One brain, NaN where it cannot be read.

    Attributes:
        age: years; meant for T1w.
        sex: about 0 for F and 1 for M; meant for T1w.
        ventricular_volume, brain_volume, intracranial_volume: mL.
    """

    age: float
    sex: float
    ventricular_volume: float
    brain_volume: float
    intracranial_volume: float


def read_brains(
    paths: Sequence[Path], *, segmenter: str | os.PathLike[str] | None = None, progress: bool = True
) -> list[Reading]:
    """Read each brain, with a warning for one that cannot be read.

    Args:
        paths: T1w files.
        segmenter: weights of the segmenter; None for those that come with the collection.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: without the weights.
    """
    network, regressors = load_segmenter(segmenter), [ImageRegressor.load(name) for name in (AGE, SEX)]
    readings = []
    for path in tqdm(paths, desc="read", unit="brain", disable=not progress):
        try:
            image = read_image(path)
            found, scan = network.with_scan(image.voxels, image.affine, minimum_quality=0.0)
            features = image_features(found, scan[0].numpy())
            looks = [float(regressor.predict(features)[0]) for regressor in regressors]
            readings.append(Reading(*looks, *(found.volumes[name] for name in SIZES)))
        except ValueError as error:
            warnings.warn(f"{path}: it cannot be read: {error}", BrainBundlesWarning, stacklevel=2)
            readings.append(Reading(*[math.nan] * (2 + len(SIZES))))
    return readings


def reading_fidelity(
    readings: Sequence[Reading], asked: Sequence[Mapping[str, Any]], *, num_resamples: int = 0, seed: int = 0
) -> dict[str, Any]:
    """How well readings follow what was asked for.

    Args:
        readings: of the brains.
        asked: age (years), sex and volumes (mL) of each.
        num_resamples: draws of the bootstrap intervals; 0 for none.
        seed: seed of the draws.

    Returns:
        for each volume, the age and the sex the fields of :class:`~brain_bundles.metrics.fidelity.Fidelity` by name.
        Of age and sex also ``given``, names of other conditions, and ``partial_r``, the correlation given what was
        asked for of these; None if it is undefined. With ``num_resamples`` also ``intervals``, by the names of the
        fields.
    """
    fidelity: dict[str, Any] = {}
    draws = {"num_resamples": num_resamples, "seed": seed}
    for name in (*SIZES, AGE, SEX):
        wanted = [as_number(name, row.get(name)) for row in asked]
        if not np.isfinite(wanted).any():
            continue
        read = [getattr(one, name) for one in readings]
        one: dict[str, Any] = dict(requested_vs_measured(wanted, read).as_json())
        fidelity[name] = one
        if num_resamples:
            one["intervals"] = fidelity_intervals(wanted, read, **draws)
        if name in GIVEN:
            given = [key for key in GIVEN[name] if any(row.get(key) is not None for row in asked)]
            table = np.array([[as_number(key, row.get(key)) for key in given] for row in asked])
            one["given"], one["partial_r"] = given, _partial(read, wanted, table)
            if num_resamples and one["partial_r"] is not None:
                one["intervals"]["partial_r"] = _partial_interval(read, wanted, table, **draws)
    return fidelity


def as_number(name: str, value: Any) -> float:
    """A covariate as a number, with 0 for F and 1 for M; NaN for None."""
    if value is None:
        return math.nan
    return float(value == "M") if name == SEX else float(value)


def _partial_interval(
    read: Sequence[float], wanted: Sequence[float], given: NDArray[np.float64], **draws: int
) -> tuple[float, float] | None:
    def statistic(chosen: NDArray[np.int64]) -> float:
        value = _partial([read[i] for i in chosen], [wanted[i] for i in chosen], given[chosen])
        return math.nan if value is None else value

    low, high = bootstrap_interval(statistic, len(read), **draws).tolist()
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _partial(read: Sequence[float], wanted: Sequence[float], given: NDArray[np.float64]) -> float | None:
    """Partial correlation over those of whom all is known; None if it is undefined."""
    values = np.column_stack([read, wanted, given])
    values = values[np.isfinite(values).all(1)]
    if len(values) <= values.shape[1]:
        return None
    found = partial_correlation(values[:, 0], values[:, 1], values[:, 2:])
    return found if math.isfinite(found) else None
