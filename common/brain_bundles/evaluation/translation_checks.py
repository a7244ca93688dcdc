"""Checks of a comparison before the first volume is loaded."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from brain_bundles.data.bids_index import item_scan
from brain_bundles.evaluation.translation_baselines import COPY, REGRESSION
from brain_bundles.evaluation.translation_cells import Cell, cell_name, contrasts_of
from brain_bundles.evaluation.translation_method import AnyMethod
from brain_bundles.evaluation.translation_summary import METRICS

logger = logging.getLogger(__name__)
Items = Sequence[Mapping[str, Any]]


def check_items(test: Items, train: Items, cells: Sequence[Cell], num_train_subjects: int | None) -> None:
    """Refuse unusable lists; warn of subjects that are in both lists.

    Raises:
        ValueError: if a list is empty, an item has no id or not both contrasts of any cell, an id is repeated among the
            test subjects, or ``num_train_subjects`` is less than 1.
    """
    contrasts = contrasts_of(cells)
    for name, items in (("test_datalist", test), ("train_datalist", train)):
        if not items:
            raise ValueError(f"{name} is empty; check the dataset and its split column.")
        for item in items:
            if "participant_id" in item and any(set(cell) <= item.keys() for cell in cells):
                continue
            missing = [key for key in ("participant_id", *contrasts) if key not in item]
            raise ValueError(f"{name}: {item.get('participant_id', 'an item')} has no {', '.join(missing)}.")
    names = [str(item_scan(item)) for item in test]
    if repeated := sorted(name for name, number in Counter(names).items() if number > 1):
        raise ValueError(f"test_datalist: participant_id {', '.join(repeated)} more than once; make them unique.")
    if num_train_subjects is not None and num_train_subjects < 1:
        raise ValueError(f"num_train_subjects must be at least 1, or None for all, got {num_train_subjects}.")
    # Paths and not ids: two datasets may both have a sub-0001.
    seen = {os.fspath(item[key]) for item in train for key in contrasts if _is_path(item.get(key))}
    both = sum(any(_is_path(item.get(key)) and os.fspath(item[key]) in seen for key in contrasts) for item in test)
    if both:
        logger.warning("%d test subjects are also training subjects: %s was fitted to them.", both, REGRESSION)


def check_methods(methods: Mapping[str, AnyMethod], contrasts: Sequence[str], metrics: Sequence[str]) -> None:
    """Refuse names that are taken or unknown.

    Raises:
        ValueError: if a method has a baseline's name, a pair names other contrasts, or a metric is unknown.
    """
    if taken := [name for name in (COPY, REGRESSION) if name in methods]:
        raise ValueError(f"methods: {taken[0]!r} is the name of a baseline; choose another.")
    known = [cell_name(*pair) for pair in permutations(contrasts, 2)]
    asked = [pair for method in methods.values() if isinstance(method, Mapping) for pair in method]
    if unknown := [pair for pair in asked if pair not in known]:
        raise ValueError(f"{unknown[0]!r} is not a pair of contrasts; there are {', '.join(known)}.")
    if wrong := [name for name in metrics if name not in METRICS]:
        raise ValueError(f"metrics: {wrong[0]!r} is unknown; there are {', '.join(METRICS)}.")


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))
