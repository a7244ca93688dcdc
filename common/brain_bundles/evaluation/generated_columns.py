"""What is measured on a generated set beside a reference set: a function for each column of the tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.covariates import COVARIATES
from brain_bundles.evaluation.features.comparison import compare_features
from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.evaluation.image_sets import BrainImages
from brain_bundles.evaluation.measurement import Measurement, fidelity_of
from brain_bundles.metrics.conditional_variance import ConditionalVariance, conditional_variance_ratio
from brain_bundles.metrics.fidelity import fidelity_intervals
from brain_bundles.metrics.four_gr_ssim_pairs import four_gr_ssim_between, four_gr_ssim_over_pairs
from brain_bundles.metrics.intervals import bootstrap_interval
from brain_bundles.metrics.memorisation import memorisation, share_above
from brain_bundles.metrics.ms_ssim_pairs import ms_ssim_over_pairs
from brain_bundles.metrics.neighbourhoods import NEIGHBOURS
from brain_bundles.metrics.power_bands import BANDS

logger = logging.getLogger(__name__)

SMALLEST_SET = 2 * (NEIGHBOURS + 1)  # both halves of a set have more brains than neighbours


def fidelity_with_intervals(
    measurements: Sequence[Measurement], *, num_resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Requested against measured of each volume that any brain has a record of, with ``intervals`` by field."""
    found: dict[str, dict[str, Any]] = {}
    for name, fidelity in fidelity_of(measurements).items():
        found[name] = fidelity.as_json()
        if num_resamples:
            values = [(getattr(m.recorded, name), getattr(m.measured, name)) for m in measurements]
            draws = {"num_resamples": num_resamples, "seed": seed}
            found[name]["intervals"] = fidelity_intervals(*zip(*values, strict=True), **draws)
    return found


def similarity(images: BrainImages, *, num_pairs: int, seed: int, kernel_size: int) -> dict[str, Any] | None:
    """MS-SSIM between different brains of a set; None under two brains."""
    if len(images) < 2:
        return None
    options: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed, "kernel_size": kernel_size}
    return images.once(
        ("ms_ssim", num_pairs, seed, kernel_size),
        lambda: asdict(ms_ssim_over_pairs(images.__getitem__, len(images), **options)),
    )


def structure(generated: BrainImages, reference: BrainImages, *, num_pairs: int, seed: int) -> dict[str, Any] | None:
    """4-G-R-SSIM within both sets and between them, in both orders; None under two brains, or without pairs."""
    if min(len(generated), len(reference)) < 2 or num_pairs < 1:
        return None
    options: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed}

    def within(images: BrainImages) -> dict[str, Any]:
        key = ("four_gr_ssim", num_pairs, seed)
        return images.once(key, lambda: asdict(four_gr_ssim_over_pairs(images.__getitem__, len(images), **options)))

    sets = (generated.__getitem__, len(generated), reference.__getitem__, len(reference))
    between = asdict(four_gr_ssim_between(*sets, **options))
    return {"generated": within(generated), "reference": within(reference), "between": between}


def feature_distances(
    generated: BrainImages,
    reference: BrainImages,
    encoder: FeatureEncoder | None,
    *,
    seed: int,
    num_resamples: int,
    number: int | None = None,
) -> dict[str, Any] | None:
    """Fréchet and kernel distance, precision, recall, density, coverage; None without encoder or with too few brains.

    ``number`` takes so many brains of each set, the first ones. See
    :func:`brain_bundles.evaluation.features.compare_features`.
    """
    if encoder is None:
        return None
    if min(len(generated), len(reference), number or SMALLEST_SET) < SMALLEST_SET:
        logger.info("distances between features need %d brains of each set, so there are none", SMALLEST_SET)
        return None
    made, real = generated.features(encoder)[:number], reference.features(encoder)[:number]
    draws = {"num_resamples": num_resamples, "seed": seed}
    return compare_features(real, made, encoder.record, name="generated", **draws).as_json()


def power_ratio(generated: BrainImages, reference: BrainImages, *, spacing: float) -> list[float] | None:
    """Mean power of the generated set relative to the reference's in each band, see :meth:`BrainImages.powers`.

    None if a set is empty.
    """
    if not len(generated) or not len(reference):
        return None
    made, real = (_known_powers(images, spacing) for images in (generated, reference))
    return [float(ratio) for ratio in _ratio(made, real)]


def power_intervals(
    generated: BrainImages, reference: BrainImages, *, spacing: float, num_resamples: int, seed: int
) -> list[tuple[float, float]] | None:
    """Bootstrap interval of each ratio, over the brains of both sets; None if a set has no brain with power."""
    made, real = (_known_powers(images, spacing) for images in (generated, reference))
    if not len(made) or not len(real) or not num_resamples:
        return None
    draws = {"num_resamples": num_resamples, "seed": seed}
    low, high = bootstrap_interval(lambda i, j: _ratio(made[i], real[j]), len(made), len(real), **draws)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _known_powers(images: BrainImages, spacing: float) -> NDArray[np.float64]:
    powers = images.powers(spacing).reshape(-1, len(BANDS))
    return powers[np.isfinite(powers).all(1)]


def _ratio(made: NDArray[np.float64], real: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(made) or not len(real):
        return np.full(len(BANDS), np.nan)
    return made.mean(0) / real.mean(0)


def nearest_training_brains(
    generated: BrainImages, training: BrainImages, held_out: BrainImages, *, num_resamples: int, seed: int
) -> Mapping[str, Any] | None:
    """Memorisation check as plain numbers, with the closest pair by name; None under two training brains.

    The interval is that of ``share_above``, a bootstrap of generated and held-out brains, with the threshold.
    """
    if len(training) < 2:
        return None
    logger.info("nearest training brains of %d generated brains", len(generated))
    result = memorisation(generated.vectors(), training.vectors(), held_out.vectors())
    closest = int(result.generated.argmax())
    interval = None
    if num_resamples:
        sizes = len(result.generated), len(result.held_out)
        share = lambda i, j: share_above(result.generated[i], result.held_out[j])[0]  # noqa: E731
        interval = bootstrap_interval(share, *sizes, num_resamples=num_resamples, seed=seed).tolist()
    return {
        "num_training": len(training),
        "generated_mean": float(result.generated.mean()),
        "generated_max": float(result.generated.max()),
        "held_out_mean": float(result.held_out.mean()),
        "held_out_max": float(result.held_out.max()),
        "threshold": result.threshold,
        "share_above": result.share_above,
        "share_above_interval": interval,
        "closest_generated": generated.paths[closest].name,
        "closest_training": training.paths[int(result.generated_nearest[closest])].name,
    }


def variance_within_conditions(
    generated: tuple[BrainImages, Sequence[Mapping[str, Any]]],
    reference: tuple[BrainImages, Sequence[Mapping[str, Any]]],
    *,
    num_resamples: int,
    seed: int,
) -> dict[str, Any] | None:
    """Variance among brains of equal age, sex and volumes, of both sets, and their ratio; of block means.

    Each set is its images and their conditions, see :func:`~brain_bundles.evaluation.image_sets.people_of`. None where
    too few of them have all four.
    """
    found = [_conditional_variance(*one) for one in (generated, reference)]
    made, real = found
    if made is None or real is None:
        return None
    ratio, interval = conditional_variance_ratio(made, real, num_resamples=num_resamples, seed=seed)
    both = {}
    for name, one in (("generated", made), ("reference", real)):
        within, total = one.variances()
        share = within / total if total > 0 else None
        both[name] = {"num": one.num, "within": within, "total": total, "share": share}
    return {**both, "ratio": ratio, "interval": interval}


def _conditional_variance(images: BrainImages, people: Sequence[Mapping[str, Any]]) -> ConditionalVariance | None:
    known = [i for i, row in enumerate(people) if all(row.get(name) is not None for name in COVARIATES)]
    if len(known) <= len(COVARIATES) + 2:
        return None
    rows = [[float(people[i][n] == "M") if n == "sex" else float(people[i][n]) for n in COVARIATES] for i in known]
    return images.once(
        ("conditional variance", tuple(known)), lambda: ConditionalVariance(images.blocks()[known], rows)
    )
