"""Time to index a large dataset: of the processor, so that a busy machine or disk changes nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from brain_bundles.data import bids_datalist, write_participants
from brain_bundles.data.bids_index import BidsIndex
from brain_bundles.data.bids_scans import select_scans
from brain_bundles.runs.dataset_jobs import dataset_jobs

SUBJECTS, LIMIT_S = 1000, 10.0
CONTRASTS = ["T1w", "T2w", "FLAIR"]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """1,000 subjects with two sessions, three contrasts and a second T1w in each: 8,000 images with sidecars."""
    folder = tmp_path_factory.mktemp("large")
    rows = [{"participant_id": f"sub-{i:04d}", "age": 60.0, "split": "train"} for i in range(SUBJECTS)]
    write_participants(folder, rows)
    for row in rows:
        for session in ("ses-1", "ses-2"):
            anat = folder / row["participant_id"] / session / "anat"
            anat.mkdir(parents=True)
            for contrast in (*CONTRASTS, "acq-3D_T1w"):
                for ending in (".nii.gz", ".json"):
                    (anat / f"{row['participant_id']}_{session}_{contrast}{ending}").touch()
    return folder


def test_a_datalist_of_a_thousand_subjects_takes_under_ten_seconds(large):
    began = time.process_time()
    items = bids_datalist(large, CONTRASTS, "train", covariates=["age"])
    assert time.process_time() - began < LIMIT_S  # 2.3 s measured on two shared cores
    assert len(items) == 2 * SUBJECTS
    assert items[-1]["T1w"].endswith("sub-0999_ses-2_T1w.nii.gz")


def test_what_a_thousand_subjects_lack_is_found_in_under_ten_seconds(large):
    known = [*CONTRASTS, "ce-gadolinium_T1w"]
    began = time.process_time()
    index = BidsIndex(large)
    scans, problems = select_scans(index, needs_table=False)
    jobs = dataset_jobs(index, [scan for scan, _ in scans], None, ["missing"], known, {known[-1]: known}, problems)
    assert time.process_time() - began < LIMIT_S
    assert len(jobs) == 2 * SUBJECTS
    assert problems == []


def test_one_participant_of_a_thousand_is_found_at_once(large):
    began = time.process_time()
    (first, second) = bids_datalist(large, CONTRASTS, "train", covariates=[], participant_label="0500")
    assert time.process_time() - began < LIMIT_S / 10
    assert (first["session_id"], second["session_id"]) == ("ses-1", "ses-2")
