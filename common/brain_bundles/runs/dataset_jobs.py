"""Volumes to make from a BIDS dataset: of given contrasts, or those that are missing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from brain_bundles.data.bids import derived_path, image_path
from brain_bundles.data.bids_index import BidsIndex, Scan, not_fetched
from brain_bundles.data.bids_names import parse_name
from brain_bundles.data.problems import first_names
from brain_bundles.runs.input_files import Job

logger = logging.getLogger(__name__)
MISSING = "missing"


def dataset_jobs(
    index: BidsIndex,
    scans: Sequence[Scan],
    source: str | None,
    targets: Sequence[str],
    contrasts: Sequence[str],
    order: Mapping[str, Sequence[str]],
    problems: list[tuple[str, str]],
) -> list[Job]:
    """List the volumes to make of each visit, and add what cannot be made to ``problems``.

    A contrast is missing if no file of the visit shows it under any entity, not even one that was not fetched.

    Args:
        index: the dataset.
        scans: the visits.
        source: contrast to translate from; None for the best one that the visit has.
        targets: contrasts to make, or only ``"missing"`` for those of ``contrasts`` that the visit lacks.
        contrasts: contrasts that the model knows; needed without a source.
        order: target -> its sources, the best one first; needed without a source.
        problems: (kind, detail) of what was found before.

    Raises:
        ValueError: for a contrast that BIDS does not know.
    """
    for name in (*([source] if source else contrasts), *(name for name in targets if name != MISSING)):
        image_path("", "", name)  # raises for an unknown one
    found = []
    complete = 0
    without, unfetched = [], []
    paths = {
        scan: {name: path for name in ([source] if source else contrasts) if (path := index.find(scan, name))}
        for scan in scans
    }
    with_source = {scan.participant_id for scan in scans if paths[scan]}
    for scan in scans:
        absent = {name: advice for name, path in paths[scan].items() if (advice := not_fetched(path))}
        there = {name: path for name, path in paths[scan].items() if name not in absent}
        if not there:
            problems += [("image that was not fetched", advice) for advice in absent.values()]
            if scan.participant_id not in with_source:
                none = ("no source", f"{scan} has none of {', '.join(contrasts)}")
                problems.append(none if source is None else index.missing(scan, source))
            elif not absent:  # another session has a source
                without.append(str(scan))
            continue
        unfetched += [paths[scan][name] for name in absent]
        wanted = list(targets)
        if targets == [MISSING]:
            wanted = [name for name in contrasts if not index.files(scan, name)]
            complete += not wanted
        for target in wanted:
            chosen = [(name, there[name]) for name in ([source] if source else order[target]) if name in there]
            sources = [(name, path, _derived(path, target)) for name, path in chosen if name != target]
            if sources:
                found.append(Job(scan.participant_id, str(scan), target, sources))
            else:
                problems.append(("no source", f"{scan}: none of its contrasts makes {target}"))
    index.log_choices()
    if without:
        logger.warning("Left out, without %s: %s", source or " and ".join(contrasts), first_names(without))
    if unfetched:
        logger.warning("Neither used nor made, since only links to their content are there: %s", first_names(unfetched))
    if scans and complete == len(scans) - len(without):
        problems.append(("nothing is missing", f"all subjects have {', '.join(contrasts)}"))
    return found


def _derived(path: Path, target: str) -> str:
    name = parse_name(path.name)
    assert name is not None  # the index has names of BIDS only
    return derived_path(name, target).as_posix()
