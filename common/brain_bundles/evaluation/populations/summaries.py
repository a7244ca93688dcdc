"""What two sets of images are in numbers, as plain dictionaries for JSON; pairs of values are (first, second)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from brain_bundles.evaluation.populations.features import KINDS
from brain_bundles.evaluation.populations.image_set import ImageSet
from brain_bundles.evaluation.populations.people import Visit
from brain_bundles.evaluation.populations.volume_regression import regress_volume
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.metrics.ms_ssim_pairs import ms_ssim_between, ms_ssim_over_pairs
from brain_bundles.metrics.power_bands import band_power
from brain_bundles.metrics.tissue_levels import TissueLevels


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of the known values, and their number."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if known.size else float("nan")
    return {"n": int(known.size), "mean": mean, "std": float(known.std(ddof=1)) if known.size > 1 else float("nan")}


def summarise_tissues(levels: Sequence[TissueLevels]) -> dict[str, dict[str, float]]:
    """Levels, noise and contrast-to-noise ratio over people."""
    names = ("csf", "grey", "white", "noise", "contrast_to_noise")
    return {name: spread([getattr(one, name) for one in levels]) for name in names}


def summarise_power(images: Sequence[ImageSet]) -> dict[str, list[float]]:
    """Power in bands of the mean spectrum of each set, and the ratio of the first set's to the second's."""
    first, second = (band_power(one.edges, one.power.mean(0)) for one in images)
    return {"first": first.tolist(), "second": second.tolist(), "ratio": (first / second).tolist()}


def summarise_similarity(
    images: Sequence[ImageSet], *, num_pairs: int, seed: int, kernel_size: int, progress: str | None = None
) -> dict[str, dict[str, Any]]:
    """MS-SSIM within the first set, within the second, and between them."""
    first, second = (one.volumes for one in images)
    options: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed, "kernel_size": kernel_size}
    results = {}
    with tqdm(total=3, desc=progress, unit="set of pairs", disable=progress is None) as bar:
        for name, volumes in (("first", first), ("second", second)):
            results[name] = asdict(ms_ssim_over_pairs(volumes.__getitem__, len(volumes), **options))
            bar.update()
        between = ms_ssim_between(first.__getitem__, len(first), second.__getitem__, len(second), **options)
        results["between"] = asdict(between)
        bar.update()
    return results


def summarise_features(features: Sequence[Mapping[str, np.ndarray]]) -> dict[str, dict[str, Any]]:
    """Mean and spread of each number, and Cohen's d: first mean less second mean, by the pooled standard deviation."""
    first, second = features
    return {
        kind: {
            name: _difference(spread(first[kind][:, column]), spread(second[kind][:, column]))
            for column, name in enumerate(names)
        }
        for kind, names in KINDS.items()
    }


def _difference(first: dict[str, float], second: dict[str, float]) -> dict[str, Any]:
    pooled = ((first["std"] ** 2 + second["std"] ** 2) / 2) ** 0.5
    d = (first["mean"] - second["mean"]) / pooled if pooled > 0 else float("nan")
    return {"first": first, "second": second, "d": d}


def summarise_volumes(people: Sequence[Visit], volumes: Sequence[BrainVolumes], name: str) -> dict[str, Any]:
    """How a volume of a set depends on age and sex, see :func:`regress_volume`."""
    values = [getattr(one, name) for one in volumes]
    return asdict(regress_volume(values, [one.age for one in people], [one.sex for one in people]))
