"""Scans with their segmentations in a BIDS dataset."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, image_path, segmentation_datalist, segmentation_path, write_participants

AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])
IMAGE = np.random.default_rng(0).random((12, 14, 12)).astype(np.float32)


def save(path: Path, data: np.ndarray = IMAGE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    rows = [{"participant_id": f"sub-0{n}", "split": split} for n, split in ((1, "train"), (2, "train"), (3, "val"))]
    write_participants(tmp_path, rows)
    for row in rows:
        save(image_path(tmp_path, row["participant_id"], "T1w"))
        save(segmentation_path(tmp_path, row["participant_id"], "freesurfer"), (IMAGE > 0.5).astype(np.uint8))
    save(image_path(tmp_path, "sub-01", "FLAIR"))
    return tmp_path


def test_one_item_per_scan_that_has_a_segmentation(folder):
    segmentation_path(folder, "sub-02", "freesurfer").unlink()
    items = segmentation_datalist(folder, ["T1w", "FLAIR"], "train", check_also=["val"])
    label = str(segmentation_path(folder, "sub-01", "freesurfer"))
    assert items == [
        {"participant_id": "sub-01", "contrast": name, "image": str(image_path(folder, "sub-01", name)), "label": label}
        for name in ("T1w", "FLAIR")
    ]


def test_all_problems_are_named_at_once(folder):
    save(image_path(folder, "sub-01", "T1w"), IMAGE[:-1])
    save(image_path(folder, "sub-02", "T1w"), np.full_like(IMAGE, np.nan))
    segmentation_path(folder, "sub-03", "freesurfer").unlink()
    with pytest.raises(DatasetError) as error:
        segmentation_datalist(folder, ["T1w"], "train", check_also=["val"])
    for text in ("different grids (1)", "sub-01_T1w.nii.gz has (11, 14, 12)", "sub-02_T1w", "no segmentations (1)"):
        assert text in str(error.value)


def test_an_unknown_contrast_is_refused(folder):
    with pytest.raises(ValueError, match="unknown contrast 'T9w'"):
        segmentation_datalist(folder, ["T9w"])
