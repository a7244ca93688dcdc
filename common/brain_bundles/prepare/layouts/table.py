"""Tables of ages and sexes, in the spellings of the downloads: csv, tsv or xls."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from brain_bundles.data.participants import Row, parse_covariate
from brain_bundles.prepare.extra import from_prepare_extra
from brain_bundles.prepare.scans import Download, label

xlrd = from_prepare_extra("xlrd")
Cells = dict[str, str]
_ID = ("participant_id", "ixi_id", "id", "subject", "subject_id", "eid", "patient", "patient_id")
_AGE = ("age", "age_years", "age_at_scan")
_SEX = ("sex", "gender", "m/f")


def read_cells(path: Path) -> list[Cells]:
    """Rows of a csv, tsv or xls table as text, by lower-case column names.

    Raises:
        ValueError: if it cannot be read.
    """
    if path.suffix.lower() == ".xls":
        sheet = xlrd.open_workbook(path).sheet_by_index(0)
        lines = [[_text(cell) for cell in sheet.row_values(i)] for i in range(sheet.nrows)]
    else:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a text table ({error}); save it as csv.") from None
        first = text.split("\n", 1)[0]
        delimiter = max("\t,;", key=first.count)
        lines = [[cell.strip() for cell in line] for line in csv.reader(text.splitlines(), delimiter=delimiter)]
    lines = [line for line in lines if any(line)]
    if not lines:
        raise ValueError(f"{path}: the table is empty.")
    header = [name.strip().lower() for name in lines[0]]
    return [dict(zip(header, line, strict=False)) for line in lines[1:]]


UNKNOWN = ("", "n/a", "na", "nan", "none", "null", "unknown", "-", ".", "?")


def number(text: str | None) -> float | None:
    """A number, with a point or a comma; None for anything else."""
    value = number_or_text(text)
    return value if isinstance(value, float) else None


def number_or_text(text: str | None) -> float | str | None:
    """A number; None for blank and unknown; a text that is neither, such as 89+, for :func:`add_row` to name."""
    cell = (text or "").strip()
    if cell.lower() in UNKNOWN:
        return None
    try:
        return float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        return cell


def add_row(download: Download, person: str, row: Row, where: str) -> None:
    """Note what a table says about a person. Impossible and contradicting values are left out and named."""
    known = download.people.setdefault(person, {})
    for name, value in row.items():
        try:
            value = parse_covariate(name, value) if name in ("age", "sex") else value
        except ValueError as error:
            download.left_out.append(("impossible value", f"{where}: {person}: {error}"))
            continue
        if value is None:
            continue
        if known.get(name, value) != value:
            download.left_out.append(("contradicting rows", f"{where}: {person}: {name} {known[name]} and {value}"))
            known[name] = None
        elif name not in known:
            known[name] = value


def add_table(
    download: Download, path: Path, person_of: Callable[[str], str] | None = None, *, sexes: Sequence[str] = ()
) -> None:
    """Add the ages and sexes of a table to a download.

    Args:
        download: gets the rows of its own participants.
        path: csv, tsv or xls with a column for the id, the age (years) and the sex.
        person_of: id of the table -> participant_id; by default sub- and its letters and digits.
        sexes: what the codes "1", "2", ... mean, such as ("M", "F").

    Raises:
        ValueError: if no column is an id.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table.")
    rows = read_cells(path)
    names = list(rows[0]) if rows else []
    identity = next((name for name in _ID if name in names), None)
    if identity is None:
        raise ValueError(f"{path}: no column of ids among {', '.join(names)}; expected one of {', '.join(_ID)}.")
    age = next((name for name in names if name in _AGE or name.startswith("age")), None)
    sex = next((name for name in names if name in _SEX or name.startswith("sex")), None)
    there = {scan.participant_id for scan in download.scans}
    for cells in rows:
        if not cells.get(identity):
            continue
        text = cells[identity]
        person = person_of(text) if person_of else f"sub-{label(re.sub(r'^sub-', '', text))}"
        if person not in there:
            continue
        code = cells.get(sex or "", "")
        value = sexes[int(code) - 1] if code.isdigit() and 0 < int(code) <= len(sexes) else code or None
        add_row(download, person, {"age": number_or_text(cells.get(age or "")), "sex": value}, path.name)


def _text(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
