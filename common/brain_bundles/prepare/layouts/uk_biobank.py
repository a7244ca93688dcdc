"""UK Biobank: bulk zips of fields 20252 (T1) and 20253 (T2 FLAIR), and a table of the data showcase.

Zips are named EID_FIELD_INSTANCE_ARRAY.zip; the instance is the visit.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from brain_bundles.data.participants import Row
from brain_bundles.prepare.layouts.files import unzip, walk
from brain_bundles.prepare.layouts.table import add_row, number, read_cells
from brain_bundles.prepare.scans import MASK, Download, Scan

_ZIP = re.compile(r"(\d+)_(20252|20253)_(\d+)_(\d+)\.zip$")
# Field -> members of its zip. The T2 FLAIR image in the zip lies on the T1 image already.
_MEMBERS = {
    "20252": {"T1w": "T1/T1.nii.gz", MASK: "T1/T1_brain_mask.nii.gz"},
    "20253": {"FLAIR": "T2_FLAIR/T2_FLAIR.nii.gz"},
}
_SEX = {"0": "F", "1": "M", "female": "F", "male": "M"}
_MM3_PER_ML = 1000.0
COLUMNS = {
    "ventricular_volume": {"Description": "UK Biobank field 25004, volume of ventricular CSF", "Units": "mL"},
    "brain_volume": {
        "Description": "UK Biobank field 25009, volume of grey and white matter, normalised for head size",
        "Units": "mL",
    },
}


def matches(root: Path) -> bool:
    """True if there is a zip of one of the two fields."""
    return any(_ZIP.match(path.name) for path in walk(root))


def read(root: Path, work_dir: Path) -> Download:
    """Read the zips and the table with fields 31 (sex), 21003 (age), 25004 and 25009 (mm^3, kept in mL)."""
    import zipfile

    download = Download()
    for path in walk(root):
        name = _ZIP.match(path.name)
        if name is None:
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                members = set(archive.namelist())
        except (zipfile.BadZipFile, OSError) as error:
            download.left_out.append(("unreadable zip", f"{path}: {error}"))
            continue
        for contrast, member in _MEMBERS[name[2]].items():
            if member in members:
                fetch = functools.partial(unzip, path, member)
                download.scans.append(Scan(f"sub-{name[1]}", f"ses-{name[3]}", contrast, path, fetch))
            elif contrast != MASK:
                reason = "; its image was unusable" if any("unusable" in m for m in members) else ""
                download.left_out.append((f"no {member} in the zip", f"{path}{reason}"))
    there = {(scan.participant_id, scan.session_id) for scan in download.scans}
    for table in sorted(path for path in walk(root) if path.suffix.lower() in (".csv", ".tsv", ".txt")):
        rows = read_cells(table)
        if rows and _column(rows[0], "eid"):
            for cells in rows:
                _add(download, cells, there, table.name)
            download.columns.update(COLUMNS)
    return download


def _add(download: Download, cells: dict[str, str], there: set[tuple[str, str | None]], where: str) -> None:
    person = f"sub-{cells[_column(cells, 'eid') or '']}"
    sessions = sorted(session for name, session in there if name == person and session)
    if not sessions:
        return
    sex = cells.get(_column(cells, "31") or _column(cells, "31", "0") or "", "").lower()
    add_row(download, person, {"sex": _SEX.get(sex)}, where)
    for session in sessions:
        instance = session.removeprefix("ses-")
        row: Row = {}
        for name, field, scale in (
            ("age", "21003", 1.0),
            ("ventricular_volume", "25004", _MM3_PER_ML),
            ("brain_volume", "25009", _MM3_PER_ML),
        ):
            value = number(cells.get(_column(cells, field, instance) or ""))
            row[name] = None if value is None else value / scale
        download.sessions[(person, session)] = row


def _column(cells: dict[str, str], field: str, instance: str | None = None) -> str | None:
    """Name of the column of a field: 21003-2.0, f.21003.2.0, p21003_i2 or participant.p21003_i2."""
    if field == "eid":
        return next((name for name in cells if re.fullmatch(r"(f\.|participant\.)?eid", name)), None)
    if instance is None:
        pattern = rf"(participant\.)?p{field}"
    else:
        pattern = rf"{field}-{instance}\.0|f\.{field}\.{instance}\.0|(participant\.)?p{field}_i{instance}"
    return next((name for name in cells if re.fullmatch(pattern, name)), None)
