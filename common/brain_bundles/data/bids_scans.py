"""Visits of a BIDS dataset that a run is for: of one split, of chosen participants and sessions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import select_participants
from brain_bundles.data.bids_index import BidsIndex, Scan
from brain_bundles.data.participants import Row, parse_covariate, read_tsv
from brain_bundles.data.sessions import sessions_table

Problems = list[tuple[str, str]]
Labels = str | int | Sequence[str | int]


def select_scans(
    index: BidsIndex,
    split: str | None = None,
    *,
    covariates: Sequence[str] = (),
    required: bool = True,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
    needs_table: bool = True,
) -> tuple[list[tuple[Scan, Row]], Problems]:
    """Select the visits, each with the row of its participant, and list the problems of the tables.

    The order is that of participants.tsv, then of the sessions' names. It does not depend on the selection. A row has
    the values of participants.tsv; those of ``sub-01/sub-01_sessions.tsv``, such as the age at a visit, replace them.

    Args:
        index: the dataset.
        split: "train", "val", "test", or None for everyone.
        covariates: columns to check and type.
        required: the tables must have these columns.
        participant_label: participants, with or without sub-; None for all.
        session_id: sessions, with or without ses-; None for all. Participants without these sessions are left out.
        needs_table: False to take the folders of participants where there is no participants.tsv.

    Raises:
        FileNotFoundError: if the folder or its participants.tsv is missing.
        ValueError: for an unknown split, a malformed label, or participants or sessions that the dataset lacks.
        DatasetError: for a missing column, an impossible value or a malformed or repeated id.
    """
    folder = index.dataset_dir
    people = bids_labels("participant_label", participant_label, "sub-")
    sessions = bids_labels("session_id", session_id, "ses-")
    rows: list[Row]
    problems: Problems = []
    if needs_table or split is not None or (folder / "participants.tsv").is_file() or not index.participants():
        rows, problems = select_participants(folder, split, covariates=covariates, required=required)
    else:
        rows = [{"participant_id": name} for name in index.participants()]
    if people is not None:
        known = {row["participant_id"] for row in rows}
        if strange := [name for name in people if name not in known]:
            part = f" of split {split}" if split is not None else ""
            raise ValueError(f"participant_label names {', '.join(strange)}: no such participants{part} in {folder}.")
        rows = [row for row in rows if row["participant_id"] in people]
    scans = [(scan, row) for row in rows for scan in index.scans(str(row["participant_id"]))]
    if sessions is not None:
        there = {scan.session_id for scan, _ in scans}
        strange = [name for name in sessions if name not in there]
        # A participant may lack a session that others have; which others there are must not matter.
        if strange and people is None:
            raise ValueError(f"session_id names {', '.join(strange)}: no such sessions in {folder}.")
        scans = [(scan, row) for scan, row in scans if scan.session_id in sessions]
        if rows and not scans:
            problems.append(("empty selection", f"none of {len(rows)} participants has {', '.join(sessions)}"))
    return [(scan, _with_session(folder, scan, row, covariates, problems)) for scan, row in scans], problems


def bids_labels(key: str, value: Labels | None, prefix: str) -> list[str] | None:
    """Read the labels of a key such as ``participant_label``: "01", "sub-01", "01,02", ["01", "02"] or 1.

    Returns:
        labels with ``prefix``, or None for None.

    Raises:
        ValueError: for anything else, or no label.
    """
    if value is None:
        return None
    parts: list[object] = []
    for one in [value] if isinstance(value, (str, int, float)) else list(value):
        parts += re.split(r"[,\s]+", one.strip()) if isinstance(one, str) else [one]
    for part in parts:
        is_label = isinstance(part, (str, int)) and not isinstance(part, bool)
        if not is_label or not re.fullmatch(r"[A-Za-z0-9+]+", _bare(part, prefix)):
            raise ValueError(f"{key} has {part!r}, expected labels such as '{prefix}01' or '01'; quote them.")
    if not parts:
        raise ValueError(f"{key} is empty; leave it out for all.")
    return [prefix + _bare(part, prefix) for part in parts]


def _bare(label: object, prefix: str) -> str:
    return str(label).removeprefix(prefix)


def _with_session(folder: Path, scan: Scan, row: Row, covariates: Sequence[str], problems: Problems) -> Row:
    """The row with the values of the session's own table in place of those of the participant."""
    table = sessions_table(folder, scan.participant_id)
    if scan.session_id is None or not covariates or not table.is_file():
        return row
    merged: dict[str, str | float | int | None] = dict(row)
    for line in read_tsv(table):
        if line.get("session_id") != scan.session_id:
            continue
        for name in covariates:
            try:
                value = parse_covariate(name, line.get(name))
            except ValueError as error:
                problems.append(("impossible value", f"{scan}: {error}"))
                continue
            if value is not None:
                merged[name] = value
    return merged


def scan_ids(scan: Scan, with_sessions: bool) -> dict[str, Any]:
    """The ids of a visit: batches need equal keys, so all items of a list have a session if any has one."""
    session = {"session_id": scan.session_id or ""} if with_sessions else {}
    return {"participant_id": scan.participant_id, **session}
