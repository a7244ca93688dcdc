"""Label maps of any orientation become structures; what is not understood is named."""

from __future__ import annotations

import logging

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.phantom.heads import read_label_map
from brain_bundles.phantom.heads.structures import CODE, STRUCTURES, structure_of

from ..conftest import write_map


def test_every_number_has_one_structure_and_sides_differ():
    numbers = [n for one in STRUCTURES.values() for n in (*one.left, *one.right)]
    assert len(numbers) == len(set(numbers))
    assert structure_of(3) == ("cortex", False)
    assert structure_of(42) == ("cortex", True)
    assert structure_of(63) == ("choroid_plexus", True)
    assert structure_of(2035) == ("cortex", True)  # a parcel of FastSurfer
    assert structure_of(5001) == ("white_matter", False)
    assert structure_of(9999) is None


@pytest.mark.parametrize("axcodes", ["RAS", "LIA", "PSR"])
def test_the_orientation_of_the_file_does_not_matter(tmp_path, numbers, axcodes):
    expected = read_label_map(write_map(tmp_path / "ras.nii.gz", numbers))
    image = nib.Nifti1Image(numbers.astype(np.int16), np.eye(4))
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(np.eye(4)), nib.orientations.axcodes2ornt(axcodes)
    )
    nib.save(image.as_reoriented(turn), tmp_path / "turned.nii.gz")
    found = read_label_map(tmp_path / "turned.nii.gz")
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.right, expected.right)
    assert found.has_head


def test_a_map_of_other_voxels_is_resampled_to_one_millimetre(tmp_path, numbers):
    path = write_map(tmp_path / "coarse.nii.gz", numbers[::2, ::2, ::2], np.diag([2.0, 2.0, 2.0, 1.0]))
    fine, coarse = read_label_map(write_map(tmp_path / "fine.nii.gz", numbers)), read_label_map(path)
    for name in ("cortex", "lateral_ventricle", "thalamus"):
        volumes = [(one.codes == CODE[name]).sum() for one in (fine, coarse)]
        assert volumes[1] == pytest.approx(volumes[0], rel=0.12), name


def test_unknown_labels_are_named_with_their_volume_and_filled(tmp_path, numbers, caplog):
    changed = numbers.copy()
    changed[40:44, 60:65, 70:75] = 9999  # within white matter
    with caplog.at_level(logging.WARNING):
        found = read_label_map(write_map(tmp_path / "odd.nii.gz", changed))
    assert "labels without a known structure: 9999 (0.1 mL)" in caplog.text
    assert (found.codes[40:44, 60:65, 70:75] > 0).all()


def test_a_map_without_sides_is_divided_in_the_middle(tmp_path, numbers):
    merged = numbers.copy()
    for left, right in ((3, 42), (2, 41), (4, 43), (10, 49), (8, 47), (7, 46), (11, 50), (12, 51), (13, 52), (17, 53)):
        merged[merged == right] = left
    merged[np.isin(merged, [54, 58, 63])] = 2
    found = read_label_map(write_map(tmp_path / "merged.nii.gz", merged))
    assert found.right[60:].all()
    assert not found.right[:36].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(np.isin(a, [4, 43]), 2, a), r"no lateral_ventricle in the map \(FreeSurfer's numbers 4\)"),
        (lambda a: np.stack([a, a], -1), r"shape \(96, 116, 100, 2\), expected a 3D label map"),
    ],
)
def test_files_that_are_no_label_map_are_refused(tmp_path, numbers, change, message):
    with pytest.raises(ValueError, match=message):
        read_label_map(write_map(tmp_path / "bad.nii.gz", change(numbers)))


def test_fractions_are_no_labels(tmp_path, numbers):
    nib.save(nib.Nifti1Image((numbers / 7).astype(np.float32), np.eye(4)), tmp_path / "scan.nii.gz")
    with pytest.raises(ValueError, match="a label map has whole numbers"):
        read_label_map(tmp_path / "scan.nii.gz")


def test_csf_of_the_spinal_canal_is_no_part_of_the_brain(tmp_path, numbers):
    changed = numbers.copy()
    changed[46:50, 50:54, :20] = 24
    found = read_label_map(write_map(tmp_path / "neck.nii.gz", changed))
    assert not (found.codes[:, :, :5] == CODE["csf"]).any()
