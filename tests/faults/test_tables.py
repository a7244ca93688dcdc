"""Tables: whatever is in one, it is read as it stands or refused with its file, its row and the limit."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.data import DatasetError, read_participants, read_tsv, write_nifti, write_participants
from brain_bundles.data.participants import MAX_ID
from brain_bundles.runs import RunOutput, make_condition_table, translation_inputs
from brain_bundles.runs.run_output import MAX_IMAGE_NAME

HEADER = "participant_id\tage\tsex\tventricular_volume\tbrain_volume"
ROWS = [f"sub-{i:02d}\t{50 + i}.5\t{'MF'[i % 2]}\t{20 + i}\t{1100 + i}" for i in range(8)]
LONG = "x" * 200_000


def damaged(draw: random.Random) -> bytes:
    """A table with one to three faults: bytes, cells, lines, ends of lines, encodings, sizes."""
    lines = [HEADER, *ROWS]
    ending, encoding = "\n", "utf-8"
    bits = 0
    for _ in range(draw.randint(1, 3)):
        kind = draw.randrange(12)
        row = draw.randrange(len(lines))
        cells = lines[row].split("\t")
        cell = draw.randrange(len(cells))
        if kind == 0:
            bits += draw.randint(1, 4)
        elif kind == 1:
            odd = [
                "",
                "n/a",
                "nan",
                "-1",
                "1e999",
                "1_0",
                "\x00",
                '"',
                "'",
                "=1+1",
                "\u0665\u0660",
                "sub-",
                "../x",
                "inf",
                " 5 ",
            ]
            cells[cell] = draw.choice(odd)
        elif kind == 2:
            cells[cell] = LONG[: draw.choice([300, 131_072, 131_073, 200_000])]
        elif kind == 3:
            cells.insert(cell, "more")
        elif kind == 4:
            del cells[cell]
        elif kind == 5:
            lines.append(lines[row])
        elif kind == 6:
            ending = draw.choice(["\r\n", "\r"])
        elif kind == 7:
            encoding = draw.choice(["utf-16", "utf-8-sig"])
        elif kind == 8:
            lines.insert(row, draw.choice(["", " ", "\t\t\t\t"]))
        elif kind == 9:
            cells[0] = "sub-" + "a" * draw.choice([MAX_ID - 4, MAX_ID - 3, 300, 5000])
        elif kind == 10:
            draw.shuffle(lines)
        else:
            del lines[row:]
        if kind in (1, 2, 3, 4, 9):
            lines[row] = "\t".join(cells)
    content = bytearray(ending.join([*lines, ""]).encode(encoding))
    for _ in range(bits if content else 0):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def plainly(content: bytes) -> list[list[str]]:
    """The rows as a reader without any knowledge of tables would split them."""
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return [[cell.strip() for cell in line.split("\t")] for line in text.split("\n") if line.strip(" ") or "\t" in line]


def read_or_refuse(folder: Path) -> tuple[list[dict], str | None]:
    try:
        return read_participants(folder), None
    except DatasetError as error:
        return [], str(error)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_table_is_read_as_it_stands_or_refused_by_name(tmp_path, seed):
    content = damaged(random.Random(seed))
    path = tmp_path / "participants.tsv"
    path.write_bytes(content)
    began = time.process_time()
    rows, refusal = read_or_refuse(tmp_path)
    if refusal is not None:
        assert refusal.startswith(f"{path}: ")
    else:
        header, *lines = plainly(content)
        assert [row["participant_id"] for row in rows] == [line[header.index("participant_id")] for line in lines]
        for row, line in zip(rows, lines, strict=True):
            for name, cell in zip(header, line, strict=True):
                expected = None if cell in ("", "n/a") else cell
                assert row[name] == (float(cell) if isinstance(row[name], float) else expected), (name, cell)
    assert time.process_time() - began < 10


def test_the_fuzzed_tables_are_of_both_kinds(tmp_path):
    """Or the test above would hold for a reader that refuses everything."""
    read = 0
    for seed in range(40):
        (tmp_path / "participants.tsv").write_bytes(damaged(random.Random(seed)))
        read += bool(read_or_refuse(tmp_path)[0])
    assert 4 <= read <= 36


def test_two_hundred_thousand_rows_take_seconds(tmp_path):
    """Quadratic checks took 20 s for 20,000 rows; a million takes about 13 s on a busy core."""
    rows = [f"sub-{i:06d}\t60\tF\t20\t1100" for i in range(200_000)]
    (tmp_path / "participants.tsv").write_text("\n".join([HEADER, *rows, rows[0], rows[0]]))
    began = time.process_time()
    with pytest.raises(
        DatasetError, match=r"duplicate participant_id \(2\):\n  row 200001 \(sub-000000\) repeats row 1"
    ):
        read_participants(tmp_path)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("row", [0, 3])
def test_a_cell_beyond_the_limit_is_named(tmp_path, row):
    lines = [HEADER, *ROWS]
    lines[row] += "\t" + LONG
    path = tmp_path / "participants.tsv"
    path.write_text("\n".join(lines))
    where = "row 3" if row else "the column names"
    with pytest.raises(
        DatasetError, match=rf"tsv: 1 problem.\nunreadable row \(1\):\n  {where}: .*at most 131072 char"
    ):
        read_tsv(path)


def test_a_long_id_is_refused_where_it_is_read_and_where_it_is_written(tmp_path):
    longest, longer = "sub-" + "a" * (MAX_ID - 4), "sub-" + "b" * 300
    text = f"{HEADER}\n{longest}\t60\tF\t20\t1100\n{longer}\t60\tF\t20\t1100\n"
    path = tmp_path / "participants.tsv"
    path.write_text(text)
    message = rf"participants.tsv: 1 problem.\nparticipant_id too long \(1\):\n  row 2: .*304 char.*at most {MAX_ID}"
    for refused in (
        lambda: read_participants(tmp_path),
        lambda: make_condition_table(conditions=path),
        lambda: write_participants(tmp_path, [{"participant_id": longest}, {"participant_id": longer}]),
    ):
        with pytest.raises(DatasetError, match=message):
            refused()
    path.write_text(text.replace("b" * 300, "b"))
    rows = make_condition_table(conditions=path)
    output = RunOutput(
        tmp_path / "out", rows, settings={}, spacing=2.0, spatial_size=(2, 2, 2), suffix="ce-gadolinium_T1w"
    )
    output.prepare()
    write_nifti(output.path(longest), np.zeros((2, 2, 2)), output.affine)
    assert [row["participant_id"] for row in output.pending()] == ["sub-b"]


def test_a_name_without_room_for_its_translation_is_left_out_before_the_work(tmp_path, caplog):
    fits = "a" * (MAX_IMAGE_NAME - len("_T2w.nii.gz"))
    for stem in (fits, fits + "a"):
        write_nifti(tmp_path / "in" / f"{stem}.nii", np.linspace(0, 1, 27).reshape(3, 3, 3), np.eye(4))
    paths = sorted((tmp_path / "in").iterdir())  # by their own names, which do not show a contrast
    inputs = translation_inputs(input=paths, source="T1w", target="T2w")
    assert [item["participant_id"] for item in inputs.items] == [fits]
    ((kind, detail),) = inputs.problems
    assert kind == "name too long"
    assert f"{fits}a.nii: " in detail
    assert f"more than {MAX_IMAGE_NAME} bytes" in detail
    output = RunOutput(tmp_path / "out", inputs.items, settings={}, bids=False)
    output.prepare()
    (row,) = output.rows
    std = Path(str(output.path(row)).replace(".nii.gz", "_std.nii.gz"))
    for path in (output.path(row), std):  # with their temporary names
        write_nifti(path, np.zeros((3, 3, 3)), np.eye(4))
    items = [{**inputs.items[0], "files": [f"{fits}a_T2w.nii.gz"]}]
    with pytest.raises(ValueError, match=f"the name has more than {MAX_IMAGE_NAME} bytes"):
        RunOutput(tmp_path / "out", items, settings={}, bids=False)


@pytest.mark.parametrize("content", ["{", "[]", '{"site": 1}', "\udcff"])
def test_damaged_descriptions_of_columns_are_named(tmp_path, content):
    from brain_bundles.data import write_split

    write_participants(tmp_path, [{"participant_id": f"sub-{i}"} for i in range(10)])
    (tmp_path / "participants.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DatasetError, match=r"participants\.json: 1 problem"):
        write_split(tmp_path)
