"""participants.tsv and participants.json: the participants of a BIDS dataset.

Blank cells and ``n/a`` mean unknown, as in BIDS; they are None in rows.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from brain_bundles.data.covariates import COVARIATES, check_covariate
from brain_bundles.data.problems import DatasetError, raise_problems
from brain_bundles.utils.atomic import atomic_write, write_json
from brain_bundles.utils.seeding import derive_seed

Row = dict[str, "str | float | int | None"]
SPLITS = ("train", "val", "test")
# Characters of a participant_id. It stands in the name of every image, and that has at most 255 bytes.
MAX_ID = 128
# The spellings that BIDS allows for participants.tsv.
_SEX = {"m": "M", "male": "M", "f": "F", "female": "F"}
COLUMNS: Mapping[str, Mapping[str, object]] = {
    "age": {"Description": "age", "Units": "year"},
    "sex": {"Description": "sex", "Levels": {"M": "male", "F": "female"}},
    "ventricular_volume": {"Description": "volume of the lateral ventricles with their inferior horns", "Units": "mL"},
    "brain_volume": {"Description": "volume of grey and white matter, without ventricles", "Units": "mL"},
    "intracranial_volume": {
        "Description": "volume of everything inside of the skull, with ventricles and other CSF",
        "Units": "mL",
    },
    "grey_matter_volume": {
        "Description": "volume of cortex, deep grey matter and cerebellar cortex; a part of brain_volume",
        "Units": "mL",
    },
    "anatomy": {"Description": "label map that the head was made from"},
    "mirrored": {"Description": "whether the head is the mirror image of the label map's"},
    "split": {
        "Description": "what the participant is for in training",
        "Levels": {"train": "training", "val": "validation", "test": "held-out test"},
    },
    "seed": {"Description": "seed of the noise that the image was sampled from"},
}


def read_tsv(path: str | os.PathLike[str]) -> list[dict[str, str | None]]:
    """Read the rows of a BIDS table as text, None for blank and ``n/a``.

    Raises:
        FileNotFoundError: if there is no such file.
        DatasetError: if it is empty, not tab-separated text, or a row has too many or too few cells.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table.")
    lines: list[list[str]] = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for line in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if len(line) > 1 or any(map(str.strip, line)):  # blank lines are no rows
                    lines.append(line)
    except csv.Error as error:
        row = f"row {len(lines)}" if lines else "the column names"
        what = f"{row}: {error}; a cell has at most {csv.field_size_limit()} characters"
        raise DatasetError(path, [("unreadable row", what)]) from None
    except UnicodeDecodeError as error:
        raise DatasetError(path, [("not text", f"expected a tab-separated UTF-8 table: {error}")]) from None
    if not lines:
        raise DatasetError(path, [("empty table", "expected a line of tab-separated column names")])
    header = [name.strip() for name in lines[0]]
    problems = [("duplicate column", repr(name)) for name, number in Counter(header).items() if number > 1]
    problems += [("unnamed column", f"column {i + 1}") for i, name in enumerate(header) if not name]
    if len(header) == 1 and re.search(r"[,; ]", header[0]):
        problems.append(("not tab-separated", f"the only column is {header[0]!r}; separate columns by tabs"))
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            problems.append(("wrong number of cells", f"row {number}: {len(line)} cells for {len(header)} columns"))
    raise_problems(path, problems)
    clean = [[None if c.strip() in ("", "n/a") else c.strip() for c in line] for line in lines[1:]]
    return [dict(zip(header, line, strict=True)) for line in clean]


def parse_covariate(name: str, value: float | str | None) -> float | str | None:
    """Parse one cell or argument: a number, also from text, or "M"/"F" for sex; None stays None.

    Raises:
        ValueError: if the value is impossible; the message is a phrase without the place.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if name == "sex":
            value = _SEX.get(value.lower(), value)
        else:
            # Other text stays text, and the check names it; so does 6_1, which Python reads as 61.
            with contextlib.suppress(ValueError):
                value = value if "_" in value else float(value)
    problem = check_covariate(name, value)
    if problem:
        raise ValueError(problem)
    return value


def format_cell(value: object) -> str:
    """Format a cell that reads back as the same value: floats in their shortest exact form, ``n/a`` for None."""
    if value is None or value == "":
        return "n/a"
    if isinstance(value, float):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def write_participants(
    dataset_dir: str | os.PathLike[str],
    rows: Sequence[Mapping[str, object]],
    *,
    columns: Mapping[str, Mapping[str, object]] | None = None,
) -> None:
    """Write participants.tsv and participants.json.

    Args:
        dataset_dir: the dataset's folder, made if missing.
        rows: one mapping per participant with ``participant_id`` and any columns; a missing cell is written ``n/a``.
        columns: descriptions for participants.json of columns that this module does not know (see ``COLUMNS``).

    Raises:
        DatasetError: if an id is missing, malformed or used twice, or a cell has a tab or a line break.
    """
    known = {**COLUMNS, **(columns or {})}
    present = {name for row in rows for name in row} - {"participant_id"}
    names = [n for n in known if n in present] + sorted(present - known.keys())
    problems = id_problems([row.get("participant_id") for row in rows])
    cells = [[str(row.get("participant_id")), *(format_cell(row.get(n)) for n in names)] for row in rows]
    problems += [("tab or line break in a cell", repr(c)) for line in cells for c in line if re.search(r"[\t\r\n]", c)]
    folder = Path(dataset_dir)
    raise_problems(folder / "participants.tsv", problems)
    lines = ["\t".join(line) + "\n" for line in [["participant_id", *names], *cells]]
    atomic_write(folder / "participants.tsv", "".join(lines))
    write_json(folder / "participants.json", {n: known.get(n, {"Description": n.replace("_", " ")}) for n in names})


def read_participants(dataset_dir: str | os.PathLike[str], covariates: Sequence[str] = COVARIATES) -> list[Row]:
    """Read the rows of participants.tsv. Columns in ``covariates`` are checked and typed, other columns are text.

    Raises:
        FileNotFoundError: if the dataset has no participants.tsv.
        DatasetError: with every malformed or repeated id and every impossible value.
    """
    path = Path(dataset_dir) / "participants.tsv"
    table = read_tsv(path)
    if table and "participant_id" not in table[0]:
        raise DatasetError(path, [("missing column", f"participant_id, among {', '.join(table[0])}")])
    problems = id_problems([row["participant_id"] for row in table])
    rows: list[Row] = []
    for text in table:
        row: Row = dict(text)
        for name in covariates:
            if name in text:
                try:
                    row[name] = parse_covariate(name, text[name])
                except ValueError as error:
                    problems.append(("impossible value", f"{text['participant_id']}: {error}"))
        rows.append(row)
    raise_problems(path, problems)
    return rows


def write_split(dataset_dir: str | os.PathLike[str], *, val: float = 0.1, test: float = 0.1, seed: int = 0) -> None:
    """Add a ``split`` column to participants.tsv: each participant goes to train, val or test at random.

    The shares are met as well as whole people allow. The split depends on ``seed`` and the ids, not on row order.

    Raises:
        ValueError: if a share is negative or nothing is left for training, or there is a split already.
    """
    if min(val, test) < 0 or val + test >= 1:
        raise ValueError(f"val and test are {val} and {test}; expected shares of at least 0 with a sum below 1.")
    rows = read_participants(dataset_dir, covariates=())
    path = Path(dataset_dir) / "participants.tsv"
    if any("split" in row for row in rows):
        raise ValueError(f"{path} has a split column already; remove it first to draw a new one.")
    order = sorted(rows, key=lambda row: derive_seed(seed, "split", str(row["participant_id"])))
    num_val, num_test = round(val * len(rows)), round(test * len(rows))
    for i, row in enumerate(order):
        row["split"] = "val" if i < num_val else "test" if i < num_val + num_test else "train"
    write_participants(dataset_dir, rows, columns=read_descriptions(path))


def id_problems(ids: Iterable[object]) -> list[tuple[str, str]]:
    """Problems of the ids of a table, as (kind, detail with the row): malformed, too long or repeated ones."""
    problems = []
    first: dict[object, int] = {}
    for number, name in enumerate(ids, start=1):
        text = str(name)
        shown = repr(name) if len(text) <= 40 else f"{text[:40]!r}... of {len(text)} characters"
        if not re.fullmatch(r"sub-[A-Za-z0-9]+", text):
            what = f"row {number}: {shown}, expected sub- and letters or digits"
            problems.append(("malformed participant_id", what))
        elif len(text) > MAX_ID:
            problems.append(("participant_id too long", f"row {number}: {shown}, expected at most {MAX_ID}"))
        if name and first.setdefault(name, number) != number:
            problems.append(("duplicate participant_id", f"row {number} ({text[:40]}) repeats row {first[name]}"))
    return problems


def read_descriptions(table: Path) -> dict[str, Mapping[str, object]]:
    """Descriptions of columns in the JSON file beside ``table``; empty if there is no such file.

    Raises:
        DatasetError: if the file is damaged.
    """
    sidecar = table.with_suffix(".json")
    if not sidecar.is_file():
        return {}
    try:
        described = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(sidecar, [("not JSON", f"{error}; repair or remove the file")]) from None
    if not isinstance(described, dict) or not all(isinstance(entry, dict) for entry in described.values()):
        raise DatasetError(sidecar, [("no descriptions", "expected an object with an object for each column")])
    return described
