"""The look of people who have both contrasts: curves from the model's predictions to what was scanned."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from brain_bundles.evaluation.translation_cells import Cell, cell_name
from brain_bundles.evaluation.translation_method import TranslationMethod
from brain_bundles.evaluation.translation_subject import Subject
from brain_bundles.metrics.intensity_regression import IntensityRegression
from brain_bundles.metrics.translation import brain_mask
from brain_bundles.transforms.monotone_curve import MonotoneCurve
from brain_bundles.utils.atomic import write_json
from brain_bundles.utils.seeding import derive_seed

NUM_BINS = 64  # of the prediction; the curve between them is smooth
LOOK_FILE = "look.json"


class PairLook:
    """One curve for each pair of a source and a target contrast.

    Args:
        curves: (source, target) -> its curve.
        made_with: what the curves are for: the hash of the weights and the scale of the intensities.
        people: number of people that each curve was fitted to.
        name: name of the folder or file, for messages and sidecars.
    """

    def __init__(
        self,
        curves: Mapping[Cell, MonotoneCurve],
        *,
        made_with: Mapping[str, Any],
        people: Mapping[Cell, int],
        name: str,
    ) -> None:
        self.curves, self.made_with, self.people, self.name = dict(curves), dict(made_with), dict(people), name

    def curve(self, image: MetaTensor, source: str, target: str, volume: torch.Tensor) -> MonotoneCurve | None:
        """The curve of a pair of contrasts, whatever the images; None if there is none."""
        return self.curves.get((source, target))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``look.json``, whole or not at all, and return its path."""
        path = Path(folder) / LOOK_FILE
        curves = {
            cell_name(*cell): {"people": self.people[cell], "points": curve.points.tolist()}
            for cell, curve in self.curves.items()
        }
        write_json(path, {**self.made_with, "curves": curves})
        return path


def fit_pair_look(
    people_with: Callable[[Sequence[str]], Iterable[Subject]],
    cells: Sequence[Cell],
    method: TranslationMethod,
    *,
    made_with: Mapping[str, Any],
    name: str,
    seed: int = 0,
) -> PairLook:
    """Fit the curves: the mean of the scanned intensity, given the predicted one, over the voxels of all people.

    Args:
        people_with: gives the people with some of the contrasts, on the model's grid as it is for the first of them.
        cells: pairs of contrasts.
        method: makes the predictions.
        made_with: see :class:`PairLook`.
        name: see :class:`PairLook`.
        seed: seed of the predictions.

    Raises:
        ValueError: if nobody has both contrasts of a pair.
    """
    regressions = {cell: IntensityRegression(NUM_BINS) for cell in cells}
    people = dict.fromkeys(cells, 0)
    for source in dict.fromkeys(source for source, _ in cells):
        wanted = [b for a, b in cells if a == source]
        for subject in people_with([source, *wanted]):
            targets = [name for name in wanted if {source, name} <= subject.volumes.keys()]
            if not targets:
                continue
            seeds = [derive_seed(seed, "like", subject.participant_id, target) for target in targets]
            volume = subject.volumes[source]
            for target, made in zip(targets, method(volume[None, None], targets=targets, seeds=seeds), strict=True):
                scanned = subject.volumes[target]
                regressions[source, target].update(made[0].clamp(0, 1), scanned, brain_mask(volume, scanned))
                people[source, target] += 1
    if missing := [cell_name(*cell) for cell, number in people.items() if not number]:
        raise ValueError(f"like is {name}, where nobody has both contrasts of {' and of '.join(missing)}.")
    curves = {cell: MonotoneCurve.fit(*one.curve, one.counts) for cell, one in regressions.items()}
    return PairLook(curves, made_with=made_with, people=people, name=name)


def read_pair_look(path: Path, cells: Sequence[Cell], made_with: Mapping[str, Any]) -> PairLook:
    """Read what :meth:`PairLook.save` wrote.

    Args:
        path: the file.
        cells: pairs of contrasts that must have a curve.
        made_with: what it must have been made with, see :class:`PairLook`.

    Raises:
        ValueError: if it is no such file, was made with other weights or another scale, or lacks a pair.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {name: (MonotoneCurve(one["points"]), int(one["people"])) for name, one in content["curves"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"like is {path}, which is no look that a run saved ({error!r}).") from error
    for key, value in made_with.items():
        if content.get(key) != value:
            raise ValueError(
                f"like is {path}, whose curves are for {key} {content.get(key)!r}, but here it is {value!r}; give the "
                "folder of the people again."
            )
    if missing := [cell_name(*cell) for cell in cells if cell_name(*cell) not in found]:
        raise ValueError(f"like is {path}, which has curves of {', '.join(found)}, but none of {', '.join(missing)}.")
    known = {cell: found[cell_name(*cell)] for cell in cells}
    return PairLook(
        {cell: curve for cell, (curve, _) in known.items()},
        made_with=made_with,
        people={cell: people for cell, (_, people) in known.items()},
        name=path.name,
    )
