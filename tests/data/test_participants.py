"""participants.tsv: round trips, what it refuses, and the random split."""

from __future__ import annotations

import json

import pytest
from brain_bundles.data import DatasetError, read_participants, read_tsv, write_participants, write_split

ROW = {"participant_id": "sub-01", "age": 61.25, "sex": "F", "ventricular_volume": 20.0, "brain_volume": 1101.5}


def test_rows_survive_the_file(tmp_path):
    rows = [{**ROW, "split": "train", "seed": 2**63 - 1}, {**ROW, "participant_id": "sub-02", "age": None, "seed": 3}]
    write_participants(tmp_path, rows)
    read = read_participants(tmp_path)
    assert read[0] == {**ROW, "split": "train", "seed": str(2**63 - 1)}
    assert read[1] == {**ROW, "participant_id": "sub-02", "age": None, "split": None, "seed": "3"}
    lines = (tmp_path / "participants.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "participant_id",
        "age",
        "sex",
        "ventricular_volume",
        "brain_volume",
        "split",
        "seed",
    ]
    assert lines[1].split("\t")[:5] == ["sub-01", "61.25", "F", "20", "1101.5"]
    columns = json.loads((tmp_path / "participants.json").read_text())
    assert [columns[name].get("Units") for name in ("age", "ventricular_volume", "brain_volume")] == [
        "year",
        "mL",
        "mL",
    ]
    assert set(columns) == set(lines[0].split("\t")[1:])


def test_floats_are_written_exactly(tmp_path):
    value = 0.1 + 0.2 + 60
    write_participants(tmp_path, [{**ROW, "age": value}])
    assert read_participants(tmp_path)[0]["age"] == value


def test_spellings_that_bids_allows(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "\ufeffparticipant_id\tsex\r\nsub-1\tmale\r\n\r\nsub-2\tF\r\nsub-3\t\r\n"
    )
    assert [row["sex"] for row in read_participants(tmp_path)] == ["M", "F", None]


def test_all_bad_cells_are_listed_at_once(tmp_path):
    text = "participant_id\tage\tsex\nsub-1\tsixty\tF\nsub-2\t-3\tX\n07\t50\tM\nsub-1\tnan\tF\n"
    (tmp_path / "participants.tsv").write_text(text)
    with pytest.raises(DatasetError) as error:
        read_participants(tmp_path)
    for part in ("row 3: '07'", "sub-1", "age is 'sixty'", "sub-2: age is -3", "sub-2: sex is 'X'", "age is nan"):
        assert part in str(error.value)
    assert len(error.value.problems) == 6
    assert "impossible value (4)" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty table"),
        ("participant_id,age\nsub-1,50\n", "separate columns by tabs"),
        ("participant_id\tage\nsub-1\n", "row 1: 1 cells for 2 columns"),
        ("participant_id\tage\tage\n", "duplicate column"),
        ("age\tsex\n50\tF\n", "participant_id, among age, sex"),
        (b"\x1f\x8b\xff\xfe", "not text"),
    ],
)
def test_tables_that_are_none(tmp_path, content, message):
    path = tmp_path / "participants.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=message):
        read_participants(tmp_path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.tsv: no such table"):
        read_tsv(tmp_path / "x.tsv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW, ROW], "duplicate participant_id"),
        ([{**ROW, "participant_id": "sub-01_x"}], "malformed participant_id"),
        ([{"age": 50.0}], "malformed participant_id"),
        ([{**ROW, "site": "a\tb"}], "tab or line break"),
    ],
)
def test_rows_that_cannot_be_written(tmp_path, rows, message):
    with pytest.raises(DatasetError, match=message):
        write_participants(tmp_path, rows)
    assert not (tmp_path / "participants.tsv").exists()


def test_split_shares_and_reproducibility(tmp_path):
    rows = [{**ROW, "participant_id": f"sub-{i:03d}", "site": "A"} for i in range(40)]
    splits = []
    for order, seed in ((rows, 0), (rows[::-1], 0), (rows, 1)):
        write_participants(tmp_path, order, columns={"site": {"Description": "scanner site"}})
        write_split(tmp_path, val=0.1, test=0.2, seed=seed)
        splits.append({r["participant_id"]: r["split"] for r in read_participants(tmp_path)})
    counts = [list(splits[0].values()).count(name) for name in ("train", "val", "test")]
    assert counts == [28, 4, 8]
    assert splits[0] == splits[1] != splits[2]
    assert json.loads((tmp_path / "participants.json").read_text())["site"] == {"Description": "scanner site"}
    assert read_participants(tmp_path)[3]["site"] == "A"
    with pytest.raises(ValueError, match="has a split column already"):
        write_split(tmp_path)
    with pytest.raises(ValueError, match="sum below 1"):
        write_split(tmp_path, val=0.5, test=0.5)
