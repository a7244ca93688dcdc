"""A BIDS dataset, raw or derivative, also one without its description: sub-*/[ses-*/]anat/*.nii.gz."""

from __future__ import annotations

from pathlib import Path

from brain_bundles.data.bids_names import CE_CONTRAST, parse_name
from brain_bundles.data.participants import read_descriptions, read_participants, read_tsv
from brain_bundles.prepare.layouts.files import images
from brain_bundles.prepare.layouts.table import number
from brain_bundles.prepare.scans import MASK, Download, Scan

_CONTRASTS = ("T1w", "T2w", "PDw", "FLAIR", "angio", "swi")


def matches(root: Path) -> bool:
    """True if there are folders sub-* with a folder anat, in sessions or not."""
    return any(root.glob("sub-*/anat")) or any(root.glob("sub-*/ses-*/anat"))


def read(root: Path, work_dir: Path) -> Download:
    """Read the images of anat and swi, the brain masks among them, and the tables of participants and sessions."""
    download = Download()
    for person in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        for path, stem in images(person):
            if path.parent.name not in ("anat", "swi"):
                continue
            scan = _scan(path, stem)
            if scan is None:
                download.left_out.append(("not a contrast for these models", str(path)))
            else:
                download.scans.append(scan)
    _read_tables(root, download)
    return download


def _scan(path: Path, stem: str) -> Scan | None:
    name = parse_name(stem)
    if name is None or "sub" not in name.entities:
        return None
    entities = {key: value for key, value in name.entities.items() if key not in ("sub", "ses", "ce")}
    session = name.entities.get("ses")
    where = (f"sub-{name.entities['sub']}", f"ses-{session}" if session else None)
    if name.suffix == "mask":
        return Scan(*where, MASK, path, None, entities) if entities.get("desc") == "brain" else None
    # Most entities first: an image with a contrast agent is not the plain one.
    contrast = next((one for one in (CE_CONTRAST, *_CONTRASTS) if name.shows(one)), None)
    if contrast is None or "label" in entities:
        return None
    return Scan(*where, contrast, path, None, entities)


def _read_tables(root: Path, download: Download) -> None:
    if (root / "participants.tsv").is_file():
        for row in read_participants(root, covariates=("age", "sex", "ventricular_volume", "brain_volume")):
            person = str(row.pop("participant_id"))
            download.people[person] = row
        listed = set(download.people)
        there = {scan.participant_id for scan in download.scans}
        for person in sorted(there - listed):
            download.left_out.append(("no row in participants.tsv, prepared without", person))
        for person in sorted(listed - there):
            download.left_out.append(("in participants.tsv without a scan", person))
            del download.people[person]
        download.columns.update(read_descriptions(root / "participants.tsv"))
    for table in sorted(root.glob("sub-*/sub-*_sessions.tsv")):
        for cells in read_tsv(table):
            if session := cells.get("session_id"):
                download.sessions[(table.parent.name, session)] = {"age": number(cells.get("age"))}
