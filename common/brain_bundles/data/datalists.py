"""Datalists of BIDS datasets: items with the paths of their images, for MONAI data sets.

An item is a visit: with sessions, a participant has one item per session that has the images. ``entities`` chooses
among several images of a contrast, see :class:`~brain_bundles.data.bids_index.BidsIndex`. Instead of a folder,
``dataset_dir`` may be a :class:`~brain_bundles.data.rendered.RenderedDataset`, whose images are made in training.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import image_path
from brain_bundles.data.bids_index import BidsIndex, not_fetched
from brain_bundles.data.bids_scans import Labels, scan_ids, select_scans
from brain_bundles.data.checks import warn_headers
from brain_bundles.data.contrast_datalist import contrast_datalist
from brain_bundles.data.covariates import COVARIATES, HEAD
from brain_bundles.data.problems import first_names, raise_problems
from brain_bundles.data.rendered import RenderedDataset
from brain_bundles.data.subject_checks import subject_problems

logger = logging.getLogger(__name__)


def bids_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
    entities: Mapping[str, object] | None = None,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
) -> Sequence[Mapping[str, Any]]:
    """One item per visit, for a MONAI dataset, in the order of participants.tsv.

    Args:
        dataset_dir: BIDS dataset or derivative; images may be .nii.gz or .nii.
        suffixes: contrasts that every participant must have, see :func:`image_path`. Of several sessions those are
            taken that have all of them; the log says how many are not.
        split: "train", "val", "test", or None for everyone.
        covariates: columns that every participant must have and every item carries; () for images only. They may be in
            the table of the participant's sessions instead.
        entities: labels of the images to choose where a visit has several, such as {"acq": "3D"}.
        participant_label, session_id: participants and sessions to take, with or without sub- and ses-; None for all.

    Returns:
        Items with ``participant_id``, the covariates (years, "M"/"F", mL), a path per suffix, and ``image`` as another
        name of the path when there is one suffix. In a list with sessions all have ``session_id``, which is empty for
        a participant without sessions.

    Raises:
        FileNotFoundError: if the folder or its participants.tsv is missing.
        ValueError: for an unknown suffix, split, covariate, entity, participant or session.
        DatasetError: with every missing image, missing or impossible covariate, repeated id and unknown split.
    """
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.items([suffixes] if isinstance(suffixes, str) else suffixes, split)
    options = {"participant_label": participant_label, "session_id": session_id}
    items, problems = collect_items(dataset_dir, suffixes, split, covariates=covariates, entities=entities, **options)
    raise_problems(Path(dataset_dir), problems)
    return items


def collect_items(
    dataset_dir: str | os.PathLike[str],
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
    entities: Mapping[str, object] | None = None,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
) -> tuple[list[dict[str, str | float]], list[tuple[str, str]]]:
    """Collect the items of :func:`bids_datalist` and the problems that it would raise, as (kind, detail)."""
    index = BidsIndex(dataset_dir, entities)
    suffixes = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    if not suffixes:
        raise ValueError("suffixes is empty; name at least one contrast, for example ['T1w'].")
    for suffix in suffixes:
        image_path("", "", suffix)  # raises for an unknown one
    if unknown := [name for name in covariates if name not in (*COVARIATES, *HEAD)]:
        raise ValueError(f"unknown covariates {unknown}, known are {', '.join((*COVARIATES, *HEAD))}.")
    chosen, problems = select_scans(
        index, split, covariates=covariates, participant_label=participant_label, session_id=session_id
    )
    found = {scan: {suffix: index.find(scan, suffix) for suffix in suffixes} for scan, _ in chosen}
    complete = {scan.participant_id for scan, paths in found.items() if all(paths.values())}
    with_sessions = any(scan.session_id for scan in found)
    items: list[dict[str, str | float]] = []
    left_out = []
    for scan, row in chosen:
        if scan.participant_id in complete and not all(found[scan].values()):
            left_out.append(str(scan))
            continue
        item: dict[str, str | float] = scan_ids(scan, with_sessions)
        for name in covariates:
            value = row.get(name)
            if value is None:
                problems.append(("missing covariate", f"{scan}: {name}"))
            else:
                item[name] = value
        for suffix, path in found[scan].items():
            if path is None:
                problems.append(index.missing(scan, suffix))
                path = image_path(index.dataset_dir, scan.participant_id, suffix, scan.session_id)
            elif advice := not_fetched(path):
                problems.append(("image that was not fetched", advice))
            item[suffix] = str(path)
        if len(suffixes) == 1:
            item["image"] = item[suffixes[0]]
        items.append(item)
    if left_out:
        logger.info("%d sessions lack one of %s: %s", len(left_out), ", ".join(suffixes), first_names(left_out))
    index.log_choices()
    return items, problems


def checked_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    suffixes: str | Sequence[str],
    split: str | None = None,
    *,
    covariates: Sequence[str] = COVARIATES,
    check_also: Sequence[str] = (),
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
) -> Sequence[Mapping[str, Any]]:
    """Make the :func:`brain_bundles.data.bids_datalist` and check every file; all problems are reported at once.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has all contrasts, on one grid.
        suffixes: contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        covariates: columns that every participant must have and every item carries; () for images only.
        check_also: other splits to check as well, so that a training reports the bad files of its validation at once.
        entities: as for :func:`bids_datalist`.
        strict: refuse images that do not look like one brain without skull; otherwise the log names them.

    Raises:
        ValueError: for an unknown suffix, split or covariate.
        DatasetError: with every problem of every participant and every file, see
            :func:`brain_bundles.data.check_images`, and every subject whose contrasts differ in grid.
    """
    names = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.items(names, split)
    parts = {}
    problems: list[tuple[str, str]] = []
    for part in dict.fromkeys((split, *check_also)):
        parts[part], found = collect_items(dataset_dir, names, part, covariates=covariates, entities=entities)
        problems += found
    items = [item for part in parts.values() for item in part]
    there = [{key: value for key, value in item.items() if key not in names or _is_there(value)} for item in items]
    problems += subject_problems(there, names, strict=strict)
    raise_problems(f"{len(items)} subjects of {os.fspath(dataset_dir)}", problems)
    warn_headers([str(item[name]) for item in items for name in names])
    return parts[split]


def paired_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    source: str,
    target: str,
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
    allow_missing: bool = False,
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
) -> Sequence[Mapping[str, Any]]:
    """One item per visit: ``image`` is the path of the source contrast, ``label`` that of the target.

    Every file is read and checked first, see :func:`checked_datalist`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has both contrasts.
        source, target: two contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.
        allow_missing: leave out participants that lack one of the two contrasts, instead of refusing them.
        entities: as for :func:`bids_datalist`.
        strict: as for :func:`checked_datalist`.

    Raises:
        ValueError: if the two are one contrast, or unknown.
        DatasetError: with every problem of every participant.
    """
    if source == target:
        raise ValueError(f"source and target are both {source!r}; give two contrasts.")
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.pairs(source, target, split)
    if allow_missing:
        items: Sequence[Mapping[str, Any]] = contrast_datalist(
            dataset_dir, [source, target], split, check_also=check_also, entities=entities, strict=strict
        )
    else:
        items = checked_datalist(
            dataset_dir, [source, target], split, covariates=(), check_also=check_also, entities=entities, strict=strict
        )
    return [{**_ids_of(item), "image": str(item[source]), "label": str(item[target])} for item in items]


def image_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    suffixes: Sequence[str],
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
) -> Sequence[Mapping[str, Any]]:
    """One item per image, with its path as ``image``; for an autoencoder that learns several contrasts at once.

    Every file is read and checked first, see :func:`checked_datalist`.

    Args:
        dataset_dir: BIDS dataset in which every participant of the split has all contrasts, on one grid.
        suffixes: contrasts, see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.
        entities: as for :func:`bids_datalist`.
        strict: as for :func:`checked_datalist`.

    Raises:
        DatasetError: with every problem of every participant.
    """
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.images(suffixes, split)
    items = checked_datalist(
        dataset_dir, suffixes, split, covariates=(), check_also=check_also, entities=entities, strict=strict
    )
    return [{**_ids_of(item), "image": str(item[suffix])} for item in items for suffix in suffixes]


def _ids_of(item: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(item[key]) for key in ("participant_id", "session_id") if key in item}


def _is_there(path: object) -> bool:
    return Path(str(path)).is_file() and not_fetched(str(path)) is None
