"""The datalist of subjects that may lack contrasts: items with those that were scanned."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from brain_bundles.data.bids import image_path
from brain_bundles.data.bids_index import BidsIndex, not_fetched
from brain_bundles.data.bids_scans import scan_ids, select_scans
from brain_bundles.data.checks import warn_headers
from brain_bundles.data.problems import first_names, raise_problems
from brain_bundles.data.rendered import RenderedDataset
from brain_bundles.data.subject_checks import subject_problems

logger = logging.getLogger(__name__)


def contrast_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    contrasts: Sequence[str],
    split: str | None = None,
    *,
    check_also: Sequence[str] = (),
    allow_unseen: bool = False,
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
) -> Sequence[Mapping[str, Any]]:
    """One item per visit: ``participant_id`` and a path for each contrast that was scanned.

    Visits with fewer than two of the contrasts are left out. Every file is read and checked first.

    Args:
        dataset_dir: BIDS dataset.
        contrasts: see :func:`brain_bundles.data.image_path`.
        split: "train", "val", "test", or None for everyone.
        check_also: other splits to check as well.
        allow_unseen: accept contrasts that no subject of the split "train" has. A model of four contrasts can then be
            trained further on scans of two, and compared on them.
        entities: as for :func:`brain_bundles.data.bids_datalist`.
        strict: as for :func:`brain_bundles.data.checked_datalist`.

    Raises:
        ValueError: for fewer than two contrasts, a repeated one, or an unknown one.
        DatasetError: with every problem of every file and every subject whose contrasts differ in grid; if no subject
            has two of the contrasts; without ``allow_unseen``, if no subject of split "train" has one of them.
    """
    if len(contrasts) < 2 or len(set(contrasts)) != len(contrasts):
        raise ValueError(f"contrasts is {list(contrasts)}, expected two or more, each once.")
    for name in contrasts:
        image_path("", "", name)  # raises for an unknown one
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.items(contrasts, split)
    index = BidsIndex(dataset_dir, entities)
    parts: dict[str | None, list[dict[str, str]]] = {}
    problems: list[tuple[str, str]] = []
    for part in dict.fromkeys((split, *check_also)):
        people, found = select_scans(index, part)
        problems += found
        with_sessions = any(scan.session_id for scan, _ in people)
        subjects, unfetched = [], []
        for scan, _ in people:
            paths = {name: path for name in contrasts if (path := index.find(scan, name)) is not None}
            there = {name: str(path) for name, path in paths.items() if not_fetched(path) is None}
            unfetched += [str(path) for name, path in paths.items() if name not in there]
            if len(there) > 1:
                subjects.append({**scan_ids(scan, with_sessions), **there})
        if unfetched:
            logger.warning("Left out, as they were not fetched: %s", first_names(unfetched))
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
    index.log_choices()
    everyone = [subject for part in parts.values() for subject in part]
    problems += subject_problems(everyone, contrasts, strict=strict)
    raise_problems(f"{len(everyone)} subjects of {os.fspath(dataset_dir)}", problems)
    warn_headers([subject[name] for subject in everyone for name in contrasts if name in subject])
    return parts[split]
