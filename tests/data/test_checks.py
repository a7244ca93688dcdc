"""Checks of image files: all bad files are named at once."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, check_images, write_nifti

GOOD = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def test_good_images_pass_silently(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", GOOD, np.eye(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_images([tmp_path / "a.nii.gz", save(tmp_path / "b.nii", GOOD), save(tmp_path / "c.nii", GOOD[..., None])])


def test_all_bad_images_are_listed_at_once(tmp_path):
    good = save(tmp_path / "good.nii.gz", GOOD)
    nan = GOOD.copy()
    nan[0, 0, :3] = np.nan
    rgb = np.zeros((6, 7, 8), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    truncated = tmp_path / "truncated.nii.gz"
    truncated.write_bytes(good.read_bytes()[:-40])
    short = tmp_path / "short.nii"
    short.write_bytes(save(tmp_path / "whole.nii", GOOD).read_bytes()[:-4])
    text = tmp_path / "text.nii.gz"
    text.write_text("not an image")
    mask = (np.abs(GOOD) > np.median(np.abs(GOOD))) * 7.0
    brighter = mask.copy()
    brighter[np.unravel_index(mask.argmax(), mask.shape)] = 9
    paths = [
        good,
        tmp_path / "missing.nii.gz",
        save(tmp_path / "flat.nii.gz", GOOD[:, :, 0]),
        save(tmp_path / "slice.nii.gz", GOOD[:, :, :1]),
        save(tmp_path / "series.nii.gz", np.stack([GOOD] * 3, axis=-1)),
        save(tmp_path / "nan.nii.gz", nan),
        save(tmp_path / "zero.nii.gz", 0 * GOOD),
        save(tmp_path / "constant.nii.gz", 0 * GOOD + 3),
        save(tmp_path / "mask.nii.gz", mask),
        save(tmp_path / "bright.nii.gz", brighter),
        save(tmp_path / "negative.nii.gz", -np.abs(GOOD)),
        save(tmp_path / "colour.nii.gz", rgb),
        truncated,
        short,
        text,
    ]
    with pytest.raises(DatasetError) as error:
        check_images(paths)
    message = str(error.value)
    expected = {
        "missing image (1)": ["missing.nii.gz"],
        "2D image (2)": ["flat.nii.gz: shape (6, 7)", "slice.nii.gz: shape (6, 7, 1)"],
        "4D image (1)": ["series.nii.gz: shape (6, 7, 8, 3)"],
        "NaN or infinite voxels (1)": ["nan.nii.gz: 3 of 336 voxels"],
        "empty volume (2)": ["zero.nii.gz: every voxel is 0", "negative.nii.gz: no voxel is above 0"],
        "constant volume (3)": [
            "constant.nii.gz: every voxel is 3",
            "mask.nii.gz: nearly every voxel that is not 0 is 7",
            "bright.nii.gz: nearly every voxel that is not 0 is 7",
        ],
        "colour image (1)": ["colour.nii.gz"],
        "unreadable or truncated image (3)": ["truncated.nii.gz", "short.nii", "text.nii.gz"],
        "15 images: 14 problems": [],
    }
    for kind, details in expected.items():
        assert kind in message
        assert all(detail in message for detail in details), details
    assert "good.nii.gz" not in message
    with pytest.raises(DatasetError) as error:
        check_images(paths, read_voxels=False)
    assert "nan.nii.gz" not in str(error.value)
    assert "flat.nii.gz" in str(error.value)


def test_a_singular_affine(tmp_path):
    image = nib.Nifti1Image(GOOD, None)
    image.header.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), code=1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(DatasetError, match="unusable affine"):
        check_images([tmp_path / "a.nii.gz"])


def test_images_without_orientation_are_named_in_one_warning(tmp_path):
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(GOOD, None), tmp_path / f"{name}.nii.gz")
    with pytest.warns(UserWarning, match=r"No orientation .*a\.nii\.gz, .*b\.nii\.gz.*set the sform") as caught:
        check_images([tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"])
    assert len(caught) == 1


def test_no_images_at_all():
    with pytest.raises(DatasetError, match="the list of images is empty"):
        check_images([])
