"""What the segmenter reads from generated brains: volumes and age, beside what was asked for."""

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

from brain_bundles.data.read_image import read_image
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.age_regressor import AgeRegressor, age_features
from brain_bundles.metrics.fidelity import fidelity_intervals, requested_vs_measured
from brain_bundles.metrics.intervals import bootstrap_interval
from brain_bundles.metrics.partial_correlation import partial_correlation
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.user_warning import BrainBundlesWarning

AGE = "age"


@dataclass(frozen=True)
class Reading:
    """One brain, NaN where it cannot be read.

    Attributes:
        age: years; meant for T1w.
        ventricular_volume, brain_volume: mL.
    """

    age: float
    ventricular_volume: float
    brain_volume: float


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
    network, regressor = load_segmenter(segmenter), AgeRegressor.load()
    readings = []
    for path in tqdm(paths, desc="read", unit="brain", disable=not progress):
        try:
            image = read_image(path)
            found, scan = network.with_scan(image.voxels, image.affine, minimum_quality=0.0)
            age = float(regressor.predict(age_features(found, scan[0].numpy()))[0])
            readings.append(Reading(age, *(found.volumes[name] for name in VOLUMES)))
        except ValueError as error:
            warnings.warn(f"{path}: it cannot be read: {error}", BrainBundlesWarning, stacklevel=2)
            readings.append(Reading(math.nan, math.nan, math.nan))
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
        for each volume and the age the fields of :class:`~brain_bundles.metrics.fidelity.Fidelity` by name; of the age
        ``partial_r``, too: its correlation given sex and the volumes asked for, None if it is undefined. With
        ``num_resamples`` also ``intervals``, by the names of the fields.
    """
    fidelity: dict[str, Any] = {}
    draws = {"num_resamples": num_resamples, "seed": seed}
    for name in (*VOLUMES, AGE):
        wanted = [float(row.get(name) or math.nan) for row in asked]
        if np.isfinite(wanted).any():
            read = [getattr(one, name) for one in readings]
            fidelity[name] = requested_vs_measured(wanted, read).as_json()
            if num_resamples:
                fidelity[name]["intervals"] = fidelity_intervals(wanted, read, **draws)
    if AGE in fidelity:
        fidelity[AGE]["partial_r"] = _partial(readings, asked)
        if num_resamples and fidelity[AGE]["partial_r"] is not None:
            fidelity[AGE]["intervals"]["partial_r"] = _partial_interval(readings, asked, **draws)
    return fidelity


def _partial_interval(
    readings: Sequence[Reading], asked: Sequence[Mapping[str, Any]], **draws: int
) -> tuple[float, float] | None:
    def statistic(chosen: NDArray[np.int64]) -> float:
        value = _partial([readings[i] for i in chosen], [asked[i] for i in chosen])
        return math.nan if value is None else value

    low, high = bootstrap_interval(statistic, len(readings), **draws).tolist()
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _partial(readings: Sequence[Reading], asked: Sequence[Mapping[str, Any]]) -> float | None:
    known = [
        (one.age, float(row[AGE]), [float(row["sex"] == "M"), *(float(row[name]) for name in VOLUMES)])
        for one, row in zip(readings, asked, strict=True)
        if math.isfinite(one.age) and all(row.get(name) is not None for name in (AGE, "sex", *VOLUMES))
    ]
    if len(known) <= len(VOLUMES) + 3:
        return None
    read, ages, given = zip(*known, strict=True)
    value = partial_correlation(read, ages, given)
    return value if math.isfinite(value) else None
