"""Contrasts for one training: complete files, one grid per subject."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from brain_bundles.data import DatasetError
from brain_bundles.data.subject_checks import subject_problems

GOOD = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
KEYS = ["T1w", "T2w"]


def pair(folder: Path, name: str, second: np.ndarray = GOOD, affine: np.ndarray = AFFINE) -> dict[str, str]:
    paths = {key: str(folder / f"{name}_{key}.nii.gz") for key in KEYS}
    nib.save(nib.Nifti1Image(GOOD, AFFINE), paths["T1w"])
    nib.save(nib.Nifti1Image(second, affine), paths["T2w"])
    return {"participant_id": name, **paths}


def moved(mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += mm
    return affine


def test_registered_pairs_pass(tmp_path):
    items = [pair(tmp_path, "sub-1"), pair(tmp_path, "sub-2", GOOD[..., None], moved(5e-4))]
    assert subject_problems(items, KEYS) == []


def test_all_problems_of_all_subjects_are_listed_at_once(tmp_path):
    cut = pair(tmp_path, "sub-cut")
    Path(cut["T2w"]).write_bytes(Path(cut["T2w"]).read_bytes()[:-40])
    less = pair(tmp_path, "sub-less")
    del less["T2w"]
    items = [
        pair(tmp_path, "sub-good"),
        pair(tmp_path, "sub-moved", affine=moved(2e-3)),
        pair(tmp_path, "sub-larger", np.pad(GOOD, 1)),
        pair(tmp_path, "sub-nan", GOOD * np.nan),
        cut,
        less,
    ]
    message = str(DatasetError("6 subjects", subject_problems(items, KEYS)))
    assert "6 subjects: 4 problems" in message
    assert "different grids (2)" in message
    assert f"sub-larger: {items[2]['T1w']} has shape (6, 7, 8) and affine [[2.0, 0.0" in message
    assert f"{items[2]['T2w']} has shape (8, 9, 10) and affine" in message
    assert "0.002]" in message
    assert "register and resample the contrasts to one grid first" in message
    assert "sub-nan_T2w.nii.gz: 336 of 336 voxels" in message
    assert "sub-cut_T2w.nii.gz" in message
    assert "sub-less" not in message  # with one contrast there is nothing to compare
    assert "sub-good" not in message
    assert subject_problems(items[:2], KEYS, tolerance=0.01) == []
