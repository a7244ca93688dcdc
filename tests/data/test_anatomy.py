"""A brain without skull is told from a whole head, a part, a smooth ball and noise."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import check_image
from brain_bundles.data.anatomy import examine
from brain_bundles.data.nifti_header import parse_header
from brain_bundles.data.read_image import Image, read_image
from scipy.ndimage import gaussian_filter

MM = 2.0
SHAPE = (100, 120, 120)
PLACE = np.stack(np.meshgrid(*((np.arange(n) - n / 2) * MM for n in SHAPE), indexing="ij"), -1)
AFFINE = np.diag([MM, MM, MM, 1.0])


def inside(*axes: float, up: float = 0.0) -> np.ndarray:
    """Voxels of an ellipsoid with half-axes in mm."""
    return np.linalg.norm((PLACE - [0, 0, up]) / axes, axis=-1) < 1


TISSUE = 600 + gaussian_filter(np.random.default_rng(0).normal(0, 1500, SHAPE), 2)
BRAIN = inside(68, 85, 66, up=15) * TISSUE
HEAD = BRAIN + 900 * (inside(85, 105, 112) & ~inside(78, 98, 104)) + 30 * inside(85, 105, 112)


def image(values: np.ndarray, affine: np.ndarray = AFFINE) -> Image:
    header = nib.nifti1.Nifti1Image(np.zeros((4, 4, 4), np.float32), affine).header
    header["vox_offset"] = 352
    return Image(values.astype(np.float32), affine, parse_header(header.binaryblock))


def kinds(values: np.ndarray, affine: np.ndarray = AFFINE) -> list[str]:
    return [kind for kind, _ in examine(image(values, affine)).doubts]


def test_a_brain_is_not_doubted_in_any_contrast_position_and_grid():
    assert kinds(BRAIN) == []
    assert kinds(np.where(BRAIN > 0, 1300 - BRAIN, 0).clip(0)) == []
    assert kinds(np.roll(BRAIN, 9, axis=1)) == []
    assert kinds(BRAIN[:, ::-1].transpose(2, 0, 1)) == []
    assert kinds(BRAIN + np.abs(np.random.default_rng(1).normal(0, 8, SHAPE))) == []  # noise of air
    assert kinds(BRAIN[:, :, ::2], np.diag([MM, MM, 2 * MM, 1])) == []
    first, last = (np.argwhere(BRAIN > 0).min(0), np.argwhere(BRAIN > 0).max(0) + 1)
    assert kinds(BRAIN[tuple(map(slice, first, last))]) == []  # cut to its bounding box


def test_a_brain_has_its_volume():
    anatomy = examine(image(BRAIN))
    assert anatomy.volume_ml == pytest.approx(4 / 3 * np.pi * 68 * 85 * 66 / 1000, rel=0.06)
    assert anatomy.border_cm2 == 0


def test_what_is_not_one_brain_is_named():
    assert kinds(HEAD) == ["looks like a whole head"]
    assert kinds(HEAD[:, :, 20:60]) == ["looks cropped"]
    assert kinds(BRAIN[:, :, 60:]) == ["looks cropped"]
    assert kinds(BRAIN, np.diag([1.0, 1, 1, 1])) == ["looks like no adult brain"]
    smooth = inside(68, 85, 66) * (600 + PLACE[..., 1])
    assert kinds(smooth) == ["looks like no anatomy"]
    noise = np.random.default_rng(2).random((25, 30, 30))
    assert "looks like no anatomy" in kinds(noise, np.diag([8.0, 8, 8, 1]))
    assert "looks like no anatomy" in kinds(np.ones((2, 2, 2)))
    assert kinds(inside(40, 40, 1000) * TISSUE) == ["looks cropped"]  # a leg


def test_a_doubt_is_a_problem_when_strict(tmp_path):
    path = tmp_path / "head.nii.gz"
    nib.save(nib.nifti1.Nifti1Image(HEAD.astype(np.float32), AFFINE), path)
    check = check_image(path)
    assert check.problem is None
    assert not check.skull_stripped
    assert str(path) in check.doubts[0][1]
    strict = check_image(path, strict=True)
    assert strict.problem is not None
    assert strict.problem[0] == "looks like a whole head"
    assert f"{path}: " in strict.problem[1]
    assert "extract the brain first" in strict.problem[1]


@pytest.mark.real
@pytest.mark.parametrize(
    ("pattern", "number", "brains"),
    [
        ("brats/*/*t[12]*.nii.gz", 7, True),
        ("brats/*/*flair.nii.gz", 1, True),
        ("ms/sub-*/anat/*.nii.gz", 4, True),
        ("oasis/sub-*/anat/*_T1w.nii.gz", 15, True),
        ("stroke/sub-*/anat/*.nii.gz", 3, True),
        ("t1_flair/derivatives/preproc/sub-*/anat/*_[TF]*.nii.gz", 30, True),
        ("t1_flair/sub-*/anat/*.nii.gz", 30, False),
        ("clinical/sub-*/ses-*/anat/*.nii.gz", 6, False),
        ("whole_head/*.nii.gz", 2, False),
    ],
)
def test_real_brains_raise_no_alarm_and_real_heads_do(real_data_dir, pattern, number, brains):
    folder, rest = pattern.split("/", 1)
    paths = sorted(Path(real_data_dir / folder).glob(rest))
    assert len(paths) == number
    for path in paths:
        found = [kind for kind, _ in examine(read_image(path)).doubts]
        assert found == [] if brains else "looks like a whole head" in found, path
