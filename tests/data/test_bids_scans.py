"""The visits that a run is for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from brain_bundles.data import BidsIndex, DatasetError, bids_datalist, write_participants
from brain_bundles.data.bids_scans import bids_labels, select_scans

VISITS = {"sub-1": ["ses-1", "ses-2"], "sub-2": ["ses-2"], "sub-3": [None]}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [{"participant_id": name, "age": 60.0 + i, "split": "train"} for i, name in enumerate(VISITS)]
    write_participants(tmp_path, rows)
    for person, sessions in VISITS.items():
        for session in sessions:
            folder = tmp_path / person / (session or "") / "anat"
            folder.mkdir(parents=True)
            (folder / ("_".join(filter(None, [person, session])) + "_T1w.nii.gz")).touch()
    return tmp_path


def names(dataset: Path, **options) -> list[str]:
    return [str(scan) for scan, _ in select_scans(BidsIndex(dataset), **options)[0]]


def test_participants_and_sessions_are_selected(dataset):
    assert names(dataset) == ["sub-1_ses-1", "sub-1_ses-2", "sub-2_ses-2", "sub-3"]
    assert names(dataset, participant_label="1") == ["sub-1_ses-1", "sub-1_ses-2"]
    assert names(dataset, participant_label=["sub-3", 1]) == ["sub-1_ses-1", "sub-1_ses-2", "sub-3"]
    assert names(dataset, session_id="ses-2") == ["sub-1_ses-2", "sub-2_ses-2"]
    assert names(dataset, participant_label="1,2", session_id=2, split="train") == ["sub-1_ses-2", "sub-2_ses-2"]


def test_the_parts_are_the_whole(dataset):
    parts = [names(dataset, participant_label=person) for person in VISITS]
    assert [name for part in parts for name in part] == names(dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"participant_label": "4"}, "participant_label names sub-4: no such participants in"),
        (
            {"participant_label": "1", "split": "val"},
            "participant_label names sub-1: no such participants of split val",
        ),
        ({"session_id": "3"}, "session_id names ses-3: no such sessions in"),
        ({"participant_label": "a/b"}, "participant_label has 'a/b', expected labels such as 'sub-01' or '01'"),
        ({"participant_label": 1.5}, "participant_label has 1.5"),
        ({"participant_label": True}, "participant_label has True"),
        ({"session_id": []}, "session_id is empty"),
    ],
)
def test_wrong_selections(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        names(dataset, **options)


def test_a_participant_without_the_session_is_a_problem_of_this_part_alone(dataset):
    scans, problems = select_scans(BidsIndex(dataset), participant_label="2", session_id="1")
    assert (scans, problems) == ([], [("empty selection", "none of 1 participants has ses-1")])


def test_labels():
    assert bids_labels("participant_label", None, "sub-") is None
    assert bids_labels("participant_label", "sub-01 02,sub-3", "sub-") == ["sub-01", "sub-02", "sub-3"]
    assert bids_labels("session_id", ("1", 2), "ses-") == ["ses-1", "ses-2"]


def test_a_folder_that_the_table_does_not_list_is_named(dataset, caplog):
    lines = (dataset / "participants.tsv").read_text().splitlines(keepends=True)
    (dataset / "participants.tsv").write_text("".join(lines[:-2]))
    assert names(dataset) == ["sub-1_ses-1", "sub-1_ses-2"]
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "left out are sub-2, sub-3, which have a folder and no row in participants.tsv" in record.getMessage()


def test_without_a_table_the_folders_are_the_participants(dataset):
    (dataset / "participants.tsv").unlink()
    assert names(dataset, needs_table=False, participant_label="3") == ["sub-3"]
    with pytest.raises(FileNotFoundError, match=r"no participants\.tsv in it"):
        names(dataset)


def test_values_of_a_session_replace_those_of_its_participant(dataset):
    table = dataset / "sub-1" / "sub-1_sessions.tsv"
    table.write_text("session_id\tage\tscore\nses-2\t62.5\t1\nses-1\tn/a\t2\n")
    items = bids_datalist(dataset, "T1w", covariates=["age"])
    assert [(item["participant_id"], item["session_id"], item["age"]) for item in items] == [
        ("sub-1", "ses-1", 60.0),
        ("sub-1", "ses-2", 62.5),
        ("sub-2", "ses-2", 61.0),
        ("sub-3", "", 62.0),
    ]
    table.write_text("session_id\tage\nses-2\t-1\n")
    with pytest.raises(DatasetError, match="sub-1_ses-2: age is -1"):
        bids_datalist(dataset, "T1w", covariates=["age"])
