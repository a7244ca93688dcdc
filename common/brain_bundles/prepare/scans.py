"""What a download has: scans of contrasts, brain masks, and what its table says about people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brain_bundles.data.bids_names import check_entities, same_label
from brain_bundles.data.bids_scans import Labels, bids_labels
from brain_bundles.data.participants import Row
from brain_bundles.utils.natural_order import natural_order

Fetch = Callable[[Path], Path]
MASK = "brain mask"


@dataclass(frozen=True)
class Scan:
    """One image of one contrast of one person at one visit.

    Attributes:
        participant_id: such as sub-IXI002.
        session_id: such as ses-1; None where people have one visit.
        contrast: such as T1w, or :data:`MASK`.
        path: the file in the download, for messages and for the sidecar.
        fetch: how to make an image file that can be read from it in a scratch folder, such as out of a zip; None for a
            file that can be read as it is.
        entities: other entities of its name, such as {"acq": "3D", "run": "1"}.
    """

    participant_id: str
    session_id: str | None
    contrast: str
    path: Path
    fetch: Fetch | None = None
    entities: Mapping[str, str] = field(default_factory=dict)

    def file(self, scratch: Path) -> Path:
        """An image file that can be read."""
        return self.fetch(scratch) if self.fetch else self.path


@dataclass(frozen=True)
class Visit:
    """The scans of one person at one visit, one for each contrast.

    Attributes:
        participant_id: such as sub-IXI002.
        session_id: such as ses-1, or None.
        scans: contrast -> scan.
        masks: brain masks; one that lies on the grid of a contrast is used.
    """

    participant_id: str
    session_id: str | None
    scans: Mapping[str, Scan]
    masks: Sequence[Scan] = ()

    @property
    def name(self) -> str:
        """Such as sub-01_ses-1, the start of its files' names."""
        return "_".join(filter(None, (self.participant_id, self.session_id)))


@dataclass
class Download:
    """All that a layout's reader found.

    Attributes:
        scans: images of contrasts, and masks.
        people: participant_id -> its row, such as {"age": 35.8, "sex": "F"}.
        sessions: (participant_id, session_id) -> what differs between visits, such as {"age": 37.9}.
        columns: descriptions of columns that participants.json does not know, or that mean something else here.
        left_out: (kind, detail with the file's name) of what is not used; it goes to the log.
    """

    scans: list[Scan] = field(default_factory=list)
    people: dict[str, Row] = field(default_factory=dict)
    sessions: dict[tuple[str, str], Row] = field(default_factory=dict)
    columns: dict[str, Mapping[str, object]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def visits(self, entities: Mapping[str, str] | None = None) -> list[Visit]:
        """Group the scans by person and visit. Of several of one contrast the plainest name is taken, others are noted.

        Args:
            entities: the user's choice, such as {"acq": "3D"}: files that have these values come first.

        Raises:
            ValueError: for an entity that BIDS does not have, or a malformed label.
        """
        wanted = check_entities(entities)
        grouped: dict[tuple[str, str | None], list[Scan]] = {}
        for scan in self.scans:
            grouped.setdefault((scan.participant_id, scan.session_id), []).append(scan)
        visits = []
        for (person, session), scans in sorted(
            grouped.items(), key=lambda pair: (pair[0][0], natural_order(pair[0][1] or ""))
        ):
            chosen: dict[str, Scan] = {}
            for scan in sorted((s for s in scans if s.contrast != MASK), key=lambda s: _rank(s, wanted)):
                if scan.contrast in chosen:
                    detail = f"{scan.path}: {chosen[scan.contrast].path.name} is taken"
                    self.left_out.append(("another scan of this contrast", detail))
                chosen.setdefault(scan.contrast, scan)
            if chosen:
                visits.append(Visit(person, session, chosen, [scan for scan in scans if scan.contrast == MASK]))
        return visits


def _rank(scan: Scan, wanted: Mapping[str, str | None]) -> tuple[object, ...]:
    """Sort key: what the user wants first, then few entities, then the first run, then the name."""
    mine = scan.entities
    matching = sum(
        key not in mine if label is None else key in mine and same_label(key, mine[key], label)
        for key, label in wanted.items()
    )
    return -matching, len(mine), natural_order(mine.get("run", "")), natural_order(scan.path.name)


def label(text: str) -> str:
    """A label of BIDS: letters and digits alone.

    Raises:
        ValueError: if nothing is left.
    """
    clean = re.sub(r"[^A-Za-z0-9]", "", text)
    if not clean:
        raise ValueError(f"{text!r} has no letters or digits, so it cannot name a participant or a session.")
    return clean


def selected(visits: Iterable[Visit], participants: Labels | None, sessions: Labels | None) -> list[Visit]:
    """The visits of these participants and sessions, with or without sub- and ses-; None selects all.

    Raises:
        ValueError: for a malformed label, or one that no visit has.
    """
    chosen = list(visits)
    for key, prefix, wanted in (("participant_label", "sub-", participants), ("session_id", "ses-", sessions)):
        names = bids_labels(key, wanted, prefix)
        if names is None:
            continue
        there = {v.participant_id if prefix == "sub-" else v.session_id for v in chosen}
        if unknown := [name for name in names if name not in there]:
            some = ", ".join(sorted(filter(None, there))[:5]) or "none"
            raise ValueError(f"no {', '.join(unknown)} in the source; it has {some} ({len(there)} in all).")
        chosen = [v for v in chosen if (v.participant_id if prefix == "sub-" else v.session_id) in names]
    return chosen
