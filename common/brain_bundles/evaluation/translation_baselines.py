"""Baselines without a network: the source itself, and the mean target intensity given the source intensity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from brain_bundles.evaluation.translation_cells import Cell, cell_name
from brain_bundles.evaluation.translation_method import AnyMethod, TranslationMethod
from brain_bundles.evaluation.translation_subject import Subject
from brain_bundles.metrics.intensity_regression import IntensityRegression
from brain_bundles.metrics.translation import brain_mask

COPY, REGRESSION = "copy", "intensity regression"
Regressions = dict[Cell, IntensityRegression]


def fit_regressions(subjects: Iterable[Subject], cells: Sequence[Cell]) -> Regressions:
    """Fit one regression per cell, to all subjects that have both of its contrasts.

    Raises:
        ValueError: for a volume that is not finite or has values outside [0, 1].
    """
    regressions: Regressions = {}
    for subject in subjects:
        for cell in cells:
            if not subject.volumes.keys() >= set(cell):
                continue
            source, target = (subject.volumes[contrast] for contrast in cell)
            try:
                regressions.setdefault(cell, IntensityRegression()).update(source, target, brain_mask(source, target))
            except ValueError as error:
                raise ValueError(f"{subject.participant_id}: {error}") from error
    return regressions


def baselines(subject: Subject, source: str, targets: Sequence[str], regressions: Regressions) -> dict[str, AnyMethod]:
    """Return both baselines for one source of a subject, without regressions that were not fitted."""
    cells = [(source, target) for target in targets if (source, target) in regressions]
    return {COPY: _copy, REGRESSION: {cell_name(*cell): _regression(subject, cell, regressions) for cell in cells}}


def _copy(source: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
    return source.expand(len(targets), -1, -1, -1, -1)


def _regression(subject: Subject, cell: Cell, regressions: Regressions) -> TranslationMethod:
    mask = brain_mask(*(subject.volumes[contrast] for contrast in cell))

    def predict(source: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
        return regressions[cell].predict(source, mask[None, None])

    return predict
