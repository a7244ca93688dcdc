"""Datalists of what a BIDS dataset has in several contrasts, with MONAI's own keys."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from brain_bundles.data.bids import bids_datalist, find_image, select_participants
from brain_bundles.data.checks import check_images, warn_unoriented
from brain_bundles.data.pairs import check_pairs, grid_problems
from brain_bundles.data.problems import raise_problems

logger = logging.getLogger(__name__)


def paired_datalist(
    dataset_dir: str | os.PathLike[str], source: str, target: str, split: str | None = None
) -> list[dict[str, str]]:
    """One item per participant: ``image`` is the path of the source contrast, ``label`` that of the target.

    Every file is read and checked first, see :func:`brain_bundles.data.check_pairs`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has both contrasts.
        source, target: two contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.

    Raises:
        ValueError: if the two are one contrast, or unknown.
        DatasetError: with every problem of every participant.
    """
    if source == target:
        raise ValueError(f"source and target are both {source!r}; give two contrasts.")
    items = bids_datalist(dataset_dir, [source, target], split, covariates=())
    pairs = [
        {"participant_id": str(i["participant_id"]), "image": str(i[source]), "label": str(i[target])} for i in items
    ]
    check_pairs(pairs, ["image", "label"])
    return pairs


def image_datalist(
    dataset_dir: str | os.PathLike[str], suffixes: Sequence[str], split: str | None = None
) -> list[dict[str, str]]:
    """One item per image, with its path as ``image``; for an autoencoder that learns several contrasts at once.

    Every file is read and checked first, see :func:`brain_bundles.data.check_images`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has all contrasts.
        suffixes: contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.

    Raises:
        DatasetError: with every problem of every file.
    """
    items = bids_datalist(dataset_dir, suffixes, split, covariates=())
    images = [
        {"participant_id": str(item["participant_id"]), "image": str(item[suffix])}
        for item in items
        for suffix in suffixes
    ]
    check_images(item["image"] for item in images)
    return images


def contrast_datalist(
    dataset_dir: str | os.PathLike[str], contrasts: Sequence[str], split: str | None = None
) -> list[dict[str, str]]:
    """One item per participant: ``participant_id`` and a path for each of the contrasts that they have.

    Participants with fewer than two of them are left out. Every file is read and checked first.

    Args:
        dataset_dir: BIDS dataset.
        contrasts: see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.

    Raises:
        ValueError: for fewer than two contrasts, one that stands twice, or an unknown one.
        DatasetError: with every problem of every file, every subject whose contrasts differ in grid, and if no subject
            has two of them.
    """
    if len(contrasts) < 2 or len(set(contrasts)) != len(contrasts):
        raise ValueError(f"contrasts is {list(contrasts)}, expected two or more, each once.")
    people, problems = select_participants(dataset_dir, split)
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
        problems.append(("no pairs", f"no subject has two of {', '.join(contrasts)}"))
    problems += grid_problems(subjects, contrasts)
    raise_problems(f"{len(people)} subjects of {os.fspath(dataset_dir)}", problems)
    warn_unoriented([subject[name] for subject in subjects for name in contrasts if name in subject])
    return subjects
