"""Datalists of BIDS datasets: items with the paths of their images, for MONAI data sets."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import find_image, missing_image, select_participants
from brain_bundles.data.checks import warn_headers
from brain_bundles.data.covariates import COVARIATES
from brain_bundles.data.problems import raise_problems
from brain_bundles.data.subject_checks import subject_problems

logger = logging.getLogger(__name__)


def bids_datalist(
    dataset_dir: str | os.PathLike[str],
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
) -> list[dict[str, str | float]]:
    """One item per participant, for a MONAI dataset, in the order of participants.tsv.

    Args:
        dataset_dir: BIDS dataset or derivative; images may be .nii.gz or .nii.
        suffixes: contrasts that every participant must have, see :func:`image_path`.
        split: "train", "val", "test", or None for everyone.
        covariates: columns that every participant must have and every item carries; () for images only.

    Returns:
        Items with ``participant_id``, the covariates (years, "M"/"F", mL), a path per suffix, and ``image`` as another
        name of the path when there is one suffix.

    Raises:
        FileNotFoundError: if the folder or its participants.tsv is missing.
        ValueError: for an unknown suffix, split or covariate.
        DatasetError: with every missing image, missing or impossible covariate, repeated id and unknown split.
    """
    items, problems = collect_items(dataset_dir, suffixes, split, covariates=covariates)
    raise_problems(Path(dataset_dir), problems)
    return items


def collect_items(
    dataset_dir: str | os.PathLike[str],
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
) -> tuple[list[dict[str, str | float]], list[tuple[str, str]]]:
    """Collect the items of :func:`bids_datalist` and the problems that it would raise, as (kind, detail)."""
    folder = Path(dataset_dir)
    suffixes = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    if not suffixes:
        raise ValueError("suffixes is empty; name at least one contrast, for example ['T1w'].")
    if unknown := [name for name in covariates if name not in COVARIATES]:
        raise ValueError(f"unknown covariates {unknown}, known are {', '.join(COVARIATES)}.")
    chosen, problems = select_participants(folder, split, covariates=covariates)
    items: list[dict[str, str | float]] = []
    for row in chosen:
        person = str(row["participant_id"])
        item: dict[str, str | float] = {"participant_id": person}
        for name in covariates:
            value = row[name]
            if value is None:
                problems.append(("missing covariate", f"{person}: {name}"))
            else:
                item[name] = value
        for suffix in suffixes:
            path = find_image(folder, person, suffix)
            if not path.is_file():
                problems.append(missing_image(folder, person, path))
            item[suffix] = str(path)
        if len(suffixes) == 1:
            item["image"] = item[suffixes[0]]
        items.append(item)
    return items, problems


def checked_datalist(
    dataset_dir: str | os.PathLike[str],
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
    check_also: Sequence[str] = (),
) -> list[dict[str, str | float]]:
    """Make the :func:`brain_bundles.data.bids_datalist` and check every file; all problems are reported at once.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has all contrasts, on one grid.
        suffixes: contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        covariates: columns that every participant must have and every item carries; () for images only.
        check_also: other splits to check as well, so that a training reports the bad files of its validation at once.

    Raises:
        ValueError: for an unknown suffix, split or covariate.
        DatasetError: with every problem of every participant and every file, see
            :func:`brain_bundles.data.check_images`, and every subject whose contrasts differ in grid.
    """
    names = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    parts = {}
    problems: list[tuple[str, str]] = []
    for part in dict.fromkeys((split, *check_also)):
        parts[part], found = collect_items(dataset_dir, names, part, covariates=covariates)
        problems += found
    items = [item for part in parts.values() for item in part]
    there = [
        {key: value for key, value in item.items() if key not in names or Path(str(value)).is_file()} for item in items
    ]
    problems += subject_problems(there, names)
    raise_problems(f"{len(items)} subjects of {os.fspath(dataset_dir)}", problems)
    warn_headers([str(item[name]) for item in items for name in names])
    return parts[split]


def paired_datalist(
    dataset_dir: str | os.PathLike[str],
    source: str,
    target: str,
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
    allow_missing: bool = False,
) -> list[dict[str, str]]:
    """One item per participant: ``image`` is the path of the source contrast, ``label`` that of the target.

    Every file is read and checked first, see :func:`checked_datalist`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has both contrasts.
        source, target: two contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.
        allow_missing: leave out participants that lack one of the two contrasts, instead of refusing them.

    Raises:
        ValueError: if the two are one contrast, or unknown.
        DatasetError: with every problem of every participant.
    """
    if source == target:
        raise ValueError(f"source and target are both {source!r}; give two contrasts.")
    if allow_missing:
        items: Sequence[Mapping[str, Any]] = contrast_datalist(
            dataset_dir, [source, target], split, check_also=check_also
        )
    else:
        items = checked_datalist(dataset_dir, [source, target], split, covariates=(), check_also=check_also)
    return [
        {"participant_id": str(i["participant_id"]), "image": str(i[source]), "label": str(i[target])} for i in items
    ]


def image_datalist(
    dataset_dir: str | os.PathLike[str],
    suffixes: Sequence[str],
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
) -> list[dict[str, str]]:
    """One item per image, with its path as ``image``; for an autoencoder that learns several contrasts at once.

    Every file is read and checked first, see :func:`checked_datalist`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has all contrasts, on one grid.
        suffixes: contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.

    Raises:
        DatasetError: with every problem of every participant.
    """
    return [
        {"participant_id": str(item["participant_id"]), "image": str(item[suffix])}
        for item in checked_datalist(dataset_dir, suffixes, split, covariates=(), check_also=check_also)
        for suffix in suffixes
    ]


def contrast_datalist(
    dataset_dir: str | os.PathLike[str],
    contrasts: Sequence[str],
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
    allow_unseen: bool = False,
) -> list[dict[str, str]]:
    """One item per participant: ``participant_id`` and a path for each contrast that the participant has.

    Participants with fewer than two of the contrasts are left out. Every file is read and checked first.

    Args:
        dataset_dir: BIDS dataset.
        contrasts: see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.
        allow_unseen: accept contrasts that no subject of the split "train" has. A model of four contrasts can then be
            trained further on scans of two, and compared on them.

    Raises:
        ValueError: for fewer than two contrasts, a repeated one, or an unknown one.
        DatasetError: with every problem of every file and every subject whose contrasts differ in grid; if no subject
            has two of the contrasts; without ``allow_unseen``, if no subject of split "train" has one of them.
    """
    if len(contrasts) < 2 or len(set(contrasts)) != len(contrasts):
        raise ValueError(f"contrasts is {list(contrasts)}, expected two or more, each once.")
    parts: dict[str | None, list[dict[str, str]]] = {}
    problems: list[tuple[str, str]] = []
    for part in dict.fromkeys((split, *check_also)):
        people, found = select_participants(dataset_dir, part)
        problems += found
        subjects = []
        for row in people:
            person = str(row["participant_id"])
            paths = {name: find_image(dataset_dir, person, name) for name in contrasts}
            there = {name: str(path) for name, path in paths.items() if path.is_file()}
            if len(there) > 1:
                subjects.append({"participant_id": person, **there})
        if len(subjects) < len(people):
            logger.info("%d subjects have fewer than two of %s.", len(people) - len(subjects), ", ".join(contrasts))
        if people and not subjects:
            of_split = "" if part is None else f" of split {part}"
            problems.append(("no pairs", f"no subject{of_split} has two of {', '.join(contrasts)}"))
        unseen = [name for name in contrasts if not any(name in subject for subject in subjects)]
        if unseen and subjects and part == "train":
            if allow_unseen:
                logger.info("No subject of split train has %s.", ", ".join(unseen))
            else:
                advice = (
                    "leave it out of the contrasts, or set allow_unseen_contrasts to continue from weights that know it"
                )
                problems += [("no such contrast", f"no subject of split train has {name}; {advice}") for name in unseen]
        parts[part] = subjects
    everyone = [subject for part in parts.values() for subject in part]
    problems += subject_problems(everyone, contrasts)
    raise_problems(f"{len(everyone)} subjects of {os.fspath(dataset_dir)}", problems)
    warn_headers([subject[name] for subject in everyone for name in contrasts if name in subject])
    return parts[split]
