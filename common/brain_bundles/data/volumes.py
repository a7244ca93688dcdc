"""Volumes of the brain in the tables of a BIDS dataset."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from brain_bundles.data.participants import (
    Row,
    id_problems,
    parse_covariate,
    read_descriptions,
    read_participants,
    read_tsv,
    write_participants,
)
from brain_bundles.data.problems import DatasetError, raise_problems
from brain_bundles.data.sessions import read_sessions, write_sessions

VOLUMES = ("ventricular_volume", "brain_volume")


def write_volumes(dataset_dir: str | os.PathLike[str], table: str | os.PathLike[str]) -> int:
    """Write measured volumes into participants.tsv, where ventricular_volume or brain_volume is unknown.

    Volumes of sessions, in a table with ``session_id``, go into ``sub-01/sub-01_sessions.tsv``.

    For participants with only age and sex: ``python -m brain_bundles measure DIR`` writes measured.tsv, and
    ``write_volumes("DIR", "measured.tsv")`` adds its volumes. Recorded values stay. Volumes that could not be measured
    stay ``n/a``.

    Args:
        dataset_dir: BIDS dataset.
        table: table with participant_id, ventricular_volume and brain_volume (mL).

    Returns:
        number of cells filled in.

    Raises:
        FileNotFoundError: if there is no such table, or the dataset has no participants.tsv.
        DatasetError: with every impossible volume, and every participant of the table who is not in the dataset.
    """
    path = Path(dataset_dir) / "participants.tsv"
    text = read_tsv(table)
    if missing := [name for name in ("participant_id", *VOLUMES) if text and name not in text[0]]:
        raise DatasetError(table, [("missing column", ", ".join(missing))])
    rows = {row["participant_id"]: row for row in read_participants(dataset_dir, covariates=())}
    sessions: dict[str, dict[object, Row]] = {}
    scans = [(str(line["participant_id"]), line.get("session_id")) for line in text]
    problems, filled = id_problems(list(dict.fromkeys(person for person, _ in scans))), 0
    problems += [
        ("duplicate participant_id", "_".join(filter(None, scan))) for scan, n in Counter(scans).items() if n > 1
    ]
    for line, (person, session) in zip(text, scans, strict=True):
        if person not in rows:
            problems.append(("not in participants.tsv", str(person)))
            continue
        row = rows[person]
        if session is not None:
            mine = sessions.setdefault(person, read_sessions(dataset_dir, person))
            row = mine.setdefault(session, {"session_id": session})
        for name in VOLUMES:
            try:
                value = parse_covariate(name, line[name])
            except ValueError as error:
                problems.append(("impossible value", f"{person}: {error}"))
                continue
            if value is not None and row.get(name) is None:
                row[name] = value
                filled += 1
    raise_problems(table, problems)
    if filled:
        write_participants(dataset_dir, list(rows.values()), columns=read_descriptions(path))
        for person, mine in sessions.items():
            write_sessions(dataset_dir, person, list(mine.values()))
    return filled
