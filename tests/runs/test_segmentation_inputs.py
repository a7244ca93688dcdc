"""Scans of any contrast are found in datasets and folders; segmentations are no scans."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from brain_bundles.data import DatasetError, image_path
from brain_bundles.runs import segmentation_inputs

from .test_translation_inputs import GOOD, save


def test_every_contrast_of_a_visit_is_an_item_with_two_files(tmp_path):
    for contrast in ("T1w", "FLAIR", "ce-gadolinium_T1w", "acq-3D_T2w", "angio"):
        save(image_path(tmp_path, "sub-01", contrast, "ses-1"))
    inputs = segmentation_inputs(tmp_path)
    assert inputs.bids
    assert {item["source"]: item["files"] for item in inputs.items} == {
        "T1w": [
            "sub-01/ses-1/anat/sub-01_ses-1_acq-T1w_desc-brain_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_acq-T1w_dseg.nii.gz",
        ],
        "FLAIR": [
            "sub-01/ses-1/anat/sub-01_ses-1_acq-FLAIR_desc-brain_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_acq-FLAIR_dseg.nii.gz",
        ],
        "ce-gadolinium_T1w": [
            "sub-01/ses-1/anat/sub-01_ses-1_acq-T1w_ce-gadolinium_desc-brain_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_acq-T1w_ce-gadolinium_dseg.nii.gz",
        ],
        "T2w": [
            "sub-01/ses-1/anat/sub-01_ses-1_acq-3DT2w_desc-brain_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_acq-3DT2w_dseg.nii.gz",
        ],
    }
    assert all(item["targets"] == ["mask", "dseg"] for item in inputs.items)
    (only,) = segmentation_inputs(tmp_path, contrasts=["FLAIR"], participant_label="01").items
    assert only["source"] == "FLAIR"


def test_bad_scans_and_people_without_any_are_named(tmp_path, caplog):
    save(image_path(tmp_path, "sub-01", "T1w"))
    save(image_path(tmp_path, "sub-02", "T1w"), np.full_like(GOOD, np.nan))
    save(image_path(tmp_path, "sub-03", "angio"))
    with caplog.at_level(logging.WARNING):
        inputs = segmentation_inputs(tmp_path)
    assert [item["participant_id"] for item in inputs.items] == ["sub-01"]
    text = " ".join(f"{kind} {detail}" for kind, detail in inputs.problems)
    assert "sub-02_T1w" in text
    assert "sub-03 has none of T1w" in text
    with pytest.raises(DatasetError, match="left out, the others are segmented"):
        inputs.raise_skipped()


def test_a_folder_is_taken_but_for_its_segmentations(tmp_path):
    for name in ("a_T1w.nii.gz", "below/scan.nii", "a_T1w_dseg.nii.gz", "a_T1w_desc-brain_mask.nii.gz"):
        save(tmp_path / name)
    inputs = segmentation_inputs(input=tmp_path)
    assert not inputs.bids
    assert [(item["participant_id"], item["source"], item["files"]) for item in inputs.items] == [
        ("a_T1w", "T1w", ["a_T1w_desc-brain_mask.nii.gz", "a_T1w_dseg.nii.gz"]),
        ("below/scan", "unknown", ["below/scan_desc-brain_mask.nii.gz", "below/scan_dseg.nii.gz"]),
    ]
    # By its own name, a file is always taken.
    (named,) = segmentation_inputs(input=[tmp_path / "a_T1w_dseg.nii.gz"]).items
    assert named["files"][1] == "a_T1w_dseg_dseg.nii.gz"


def test_wrong_options_are_named(tmp_path):
    save(tmp_path / "a" / "x.nii.gz")
    save(tmp_path / "b" / "x.nii.gz")
    (tmp_path / "b" / "notes.txt").touch()
    with pytest.raises(ValueError, match="give one: dataset_dir"):
        segmentation_inputs()
    with pytest.raises(ValueError, match="split and contrasts chooses in a BIDS dataset"):
        segmentation_inputs(input=tmp_path, split="test", contrasts=["T1w"])
    save(image_path(tmp_path / "bids", "sub-01", "T1w"))
    with pytest.raises(ValueError, match="unknown contrast 'T9w'"):
        segmentation_inputs(tmp_path / "bids", contrasts=["T9w"])
    inputs = segmentation_inputs(input=[tmp_path / "a", tmp_path / "b", tmp_path / "b" / "notes.txt"])
    assert [kind for kind, _ in inputs.problems] == ["same name", "not NIfTI"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="nothing to segment"):
        segmentation_inputs(input=tmp_path / "empty")
