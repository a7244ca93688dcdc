"""participants.tsv: round trips, invalid tables, and the random split."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest
from brain_bundles.data import (
    DatasetError,
    read_participants,
    read_tsv,
    write_nifti,
    write_participants,
    write_split,
    write_volumes,
)
from brain_bundles.evaluation import measurement
from brain_bundles.metrics import BrainVolumes

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


@pytest.fixture
def unmeasured(tmp_path):
    """A dataset of three people; only the first has recorded volumes."""
    rows = [ROW, *({"participant_id": f"sub-0{i}", "age": 70 + i, "sex": "M", "site": "A"} for i in (2, 3))]
    write_participants(tmp_path, rows, columns={"site": {"Description": "scanner site"}})
    return tmp_path


def test_measured_volumes_are_written_where_there_are_none(unmeasured, monkeypatch, caplog):
    for i in (1, 2, 3):
        name = f"sub-0{i}"
        write_nifti(unmeasured / name / "anat" / f"{name}_T1w.nii.gz", np.zeros((4, 4, 4)), np.eye(4))
    answers = iter([BrainVolumes(1.0, 2.0), BrainVolumes(31.25, 1000.0), BrainVolumes(math.nan, math.nan)])
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: next(answers))
    with caplog.at_level(logging.INFO):
        measured = measurement.measure_folder(unmeasured, progress=False)
    assert "lacks volumes of 2 participants; brain_bundles.data.write_volumes(" in caplog.text
    table = unmeasured / "measured.tsv"
    measurement.write_measurements(table, measured)
    assert write_volumes(unmeasured, table) == 2
    rows = read_participants(unmeasured)
    assert [row["ventricular_volume"] for row in rows] == [20.0, 31.25, None]
    assert [row["brain_volume"] for row in rows] == [1101.5, 1000.0, None]
    assert [(row["age"], row["site"]) for row in rows] == [(61.25, None), (72.0, "A"), (73.0, "A")]
    columns = json.loads((unmeasured / "participants.json").read_text())
    assert columns["site"] == {"Description": "scanner site"}
    assert columns["ventricular_volume"]["Units"] == "mL"
    assert write_volumes(unmeasured, table) == 0


def test_a_dataset_without_the_columns_gets_them(tmp_path):
    write_participants(tmp_path, [{"participant_id": "sub-01", "age": 50.0, "sex": "F"}])
    table = tmp_path / "measured.tsv"
    table.write_text("participant_id\tventricular_volume\tbrain_volume\nsub-01\t12\tn/a\n")
    assert write_volumes(tmp_path, table) == 1
    (row,) = read_participants(tmp_path)
    assert row == {"participant_id": "sub-01", "age": 50.0, "sex": "F", "ventricular_volume": 12.0}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["sub-09\t12\t1000"], r"not in participants.tsv \(1\):\n  sub-09"),
        (["sub-02\t-1\t1000"], "sub-02: ventricular_volume is -1"),
        (["sub-02\t12\t1000", "sub-02\t13\t1000"], "duplicate participant_id"),
    ],
)
def test_a_table_of_other_people_is_refused_whole(unmeasured, lines, message):
    before = (unmeasured / "participants.tsv").read_bytes()
    table = unmeasured / "measured.tsv"
    table.write_text("\n".join(["participant_id\tventricular_volume\tbrain_volume", "sub-03\t12\t1000", *lines]))
    with pytest.raises(DatasetError, match=message):
        write_volumes(unmeasured, table)
    assert (unmeasured / "participants.tsv").read_bytes() == before


def test_a_table_without_volumes_is_named(unmeasured):
    table = unmeasured / "ages.tsv"
    table.write_text("participant_id\tage\nsub-02\t50\n")
    with pytest.raises(DatasetError, match=r"missing column \(1\):\n  ventricular_volume, brain_volume"):
        write_volumes(unmeasured, table)
