"""Tables of a prepared dataset: participants.tsv with a split, and sessions of people with several visits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.participants import SPLITS, Row, write_participants
from brain_bundles.data.sessions import write_sessions
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.scans import Download
from brain_bundles.utils.natural_order import natural_order
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)

SPELLINGS_OF_SPLITS = {"train": ("training",), "val": ("validation", "valid", "dev"), "test": ("testing",)}


def part_of(participant_id: str, val: float, test: float, seed: int = 0) -> str:
    """The part of a person, by a hash of the id and the seed alone: train, val or test."""
    place = place_of(participant_id, seed)
    return "val" if place < val else "test" if place < val + test else "train"


def place_of(participant_id: str, seed: int = 0) -> float:
    """A number in [0, 1) that depends on the id and the seed alone."""
    return derive_seed(seed, "split", participant_id) / 2**63


def parts_of(people: Sequence[str], options: Options) -> dict[str, str]:
    """The part of each person. In a small dataset that leaves ``train`` or ``val`` empty, the next person goes there.

    So a dataset of two or more people trains. Apart from that a person's part depends on the id and the seed alone.
    """
    parts = {name: part_of(name, options.val, options.test, options.seed) for name in people}
    order = sorted(people, key=lambda name: place_of(name, options.seed))
    wanted = [("train", order[::-1])] + ([("val", order)] if options.val else [])
    for part, names in wanted:
        if len(people) > 1 and part not in parts.values():
            moved = next(name for name in names if list(parts.values()).count(parts[name]) > 1 or parts[name] == "test")
            logger.warning("No participant falls in %s by the hash of its id, so %s is put there.", part, moved)
            parts[moved] = part
    return parts


def write_tables(
    dest: Path, download: Download, records: Sequence[Mapping[str, Any]], options: Options, *, split: bool = True
) -> None:
    """Write participants.tsv, and sub-x_sessions.tsv of people with sessions, from the records of all visits.

    Args:
        dest: the dataset.
        download: what the source's table says.
        records: of the visits that were prepared.
        options: settings.
        split: add the column ``split``, where the source has none.
    """
    visits: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        visits.setdefault(record["participant_id"], []).append(record)
    parts = parts_of(sorted(visits), options) if split else {}
    rows = []
    for person, of_person in sorted(visits.items()):
        of_person = sorted(of_person, key=lambda record: natural_order(record["session_id"] or ""))
        known = dict(download.people.get(person, {}))
        sessions = [_of_session(download, record, options) for record in of_person]
        # A participant's own row says what holds at the first visit.
        row: Row = {"participant_id": person, **sessions[0], **{k: v for k, v in known.items() if v is not None}}
        row.pop("session_id", None)
        if split and row.get("split") is None:
            row["split"] = parts[person]
        elif split:
            row["split"] = _split_of(person, str(row["split"]))
        rows.append(row)
        if of_person[0]["session_id"] is not None:
            write_sessions(dest, person, sessions)
    write_participants(dest, rows, columns=download.columns)


def _split_of(person: str, told: str) -> str | None:
    """The split that a source names, in our words; None with a warning for another word: nobody is moved by a draw."""
    word = told.strip().lower()
    found = next((name for name in SPLITS if word in (name, *SPELLINGS_OF_SPLITS[name])), None)
    if found is None:
        logger.warning("%s is of the split %r, which is none of %s: left open.", person, told, ", ".join(SPLITS))
    return found


def _of_session(download: Download, record: Mapping[str, Any], options: Options) -> Row:
    session = record["session_id"]
    measured = {name: (record.get("Volumes") or {}).get(name) for name in VOLUMES} if options.volumes else {}
    told = download.sessions.get((record["participant_id"], session), {}) if session else {}
    return {"session_id": session, **measured, **{k: v for k, v in told.items() if v is not None}}
