"""Predictions of all methods for one subject, and their scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from brain_bundles.evaluation.contrast_switch import IntensityProfile, intensity_quantiles
from brain_bundles.evaluation.translation_baselines import Regressions, baselines
from brain_bundles.evaluation.translation_cells import Cell
from brain_bundles.evaluation.translation_method import AnyMethod, TranslationMethod, calls_for
from brain_bundles.evaluation.translation_subject import Subject, plain
from brain_bundles.evaluation.translation_summary import CellScore
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.utils.seeding import derive_seed


@dataclass(frozen=True)
class Prediction:
    """A volume (D, H, W) in [0, 1] made by a method, with the seconds it took."""

    method: str
    source: str
    target: str
    volume: torch.Tensor
    seconds: float


def translate_subject(
    subject: Subject, cells: Sequence[Cell], methods: Mapping[str, AnyMethod], regressions: Regressions, seed: int
) -> Iterator[Prediction]:
    """Yield the predictions of both baselines and all methods, in the cells whose two contrasts the subject has.

    A method makes all targets of a source in one call; its seconds are divided equally. The seed of a prediction is
    derived from ``seed``, the subject and the target.

    Raises:
        ValueError: if a method refuses a source or returns another shape.
    """
    for source in dict.fromkeys(source for source, _ in cells):
        targets = [b for a, b in cells if a == source and {a, b} <= subject.volumes.keys()]
        for name, method in {**baselines(subject, source, targets, regressions), **methods}.items():
            for call, made in calls_for(method, source, targets):
                try:
                    volumes, seconds = _predict(call, subject, source, made, seed)
                except ValueError as error:
                    raise ValueError(f"{subject.participant_id}, {name}: {error}") from error
                for target, volume in zip(made, volumes, strict=True):
                    yield Prediction(name, source, target, volume, seconds)


def score_prediction(subject: Subject, prediction: Prediction, **options: Any) -> list[CellScore]:
    """Score a prediction in each region of the subject, see :func:`score_translation` for the options.

    Raises:
        ValueError: if the prediction is not finite, or an option is impossible.
    """
    source, target = subject.volumes[prediction.source], subject.volumes[prediction.target]
    brain = brain_mask(source, target)
    cell = (prediction.method, prediction.source, prediction.target)
    try:
        return [
            CellScore(
                subject.participant_id,
                *cell,
                name,
                score_translation(prediction.volume, target, brain, region=region, **options),
                prediction.seconds,
            )
            for name, region in subject.regions(brain).items()
        ]
    except ValueError as error:
        raise ValueError(f"{subject.participant_id}, {prediction.method}: {error}") from error


def intensity_profile(subject: Subject, prediction: Prediction) -> IntensityProfile:
    """Quantiles of a prediction in the brain, beside the quantiles of the subject's true volumes."""
    predicted = intensity_quantiles(prediction.volume, subject.brain)
    return IntensityProfile(prediction.method, prediction.source, prediction.target, predicted, subject.quantiles)


def _predict(
    method: TranslationMethod, subject: Subject, source: str, targets: Sequence[str], seed: int
) -> tuple[torch.Tensor, float]:
    """Predictions (T, D, H, W) in [0, 1] on the CPU, and the seconds per prediction."""
    seeds = [derive_seed(seed, "evaluate", subject.participant_id, target) for target in targets]
    volume = subject.volumes[source]
    start = time.perf_counter()
    with torch.no_grad():
        made = plain(method(volume[None, None], targets=targets, seeds=seeds))  # waits for the GPU
    seconds = (time.perf_counter() - start) / len(targets)
    expected = (len(targets), 1, *volume.shape)
    if made.shape != expected:
        raise ValueError(
            f"its shape is {tuple(made.shape)}, expected one volume like the source per target, {expected}."
        )
    # NaN and infinity stay: the scores refuse them.
    return torch.where(made.isfinite(), made.clamp(0, 1), made)[:, 0], seconds
