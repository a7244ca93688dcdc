"""sub-x_sessions.tsv: the sessions of one participant of a BIDS dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from brain_bundles.data.participants import COLUMNS, Row, format_cell, read_descriptions, read_tsv
from brain_bundles.utils.atomic import atomic_write, write_json


def sessions_table(dataset_dir: str | os.PathLike[str], participant_id: str) -> Path:
    """Path of the table of a participant's sessions."""
    return Path(dataset_dir) / participant_id / f"{participant_id}_sessions.tsv"


def read_sessions(dataset_dir: str | os.PathLike[str], participant_id: str) -> dict[object, Row]:
    """Rows of the table of a participant's sessions by session_id, as text; empty if there is none."""
    path = sessions_table(dataset_dir, participant_id)
    return {row.get("session_id"): dict(row) for row in read_tsv(path)} if path.is_file() else {}


def write_sessions(dataset_dir: str | os.PathLike[str], participant_id: str, rows: Sequence[Row]) -> None:
    """Write the table of a participant's sessions, with the descriptions of its columns beside it."""
    path = sessions_table(dataset_dir, participant_id)
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([format_cell(row.get(name)) for name in names] for row in rows)]
    atomic_write(path, "".join("\t".join(line) + "\n" for line in lines))
    described = read_descriptions(path)
    columns = {name: described.get(name, COLUMNS[name]) for name in names if name in described or name in COLUMNS}
    write_json(path.with_suffix(".json"), columns)
