import nibabel as nib
import numpy as np
import pytest
from brain_bundles.prepare.volume import Volume, from_sitk, read_volume, reorient, to_lps, to_sitk

from .heads import rigid

OBLIQUE = rigid((10, -20, 30), (5, -7, 11)) @ np.diag([-1.0, 2.0, 3.0, 1.0])


def volume(affine=OBLIQUE):
    return Volume(np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32), affine)


def test_simpleitk_has_the_same_voxel_at_the_same_place():
    image = to_sitk(volume())
    index = (1, 2, 3)
    x, y, z = OBLIQUE[:3, :3] @ index + OBLIQUE[:3, 3]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), (-x, -y, z), atol=1e-9)
    assert image.GetPixel(index) == volume().data[index]
    back = from_sitk(image)
    np.testing.assert_array_equal(back.data, volume().data)
    np.testing.assert_allclose(back.affine, OBLIQUE, atol=1e-9)


def test_a_transform_of_ras_as_one_of_lps():
    matrix = rigid((5, 6, 7), (1, 2, 3))
    point = np.array([3.0, 4.0, 5.0, 1.0])
    np.testing.assert_allclose(to_lps(matrix) @ (point * [-1, -1, 1, 1]), (matrix @ point) * [-1, -1, 1, 1])
    np.testing.assert_allclose(to_lps(to_lps(matrix)), matrix)


def test_reorient_turns_the_axes_and_keeps_every_place():
    turned, before = reorient(volume(np.diag([-1.0, -2.0, 3.0, 1.0])))
    assert before == "LPS"
    assert (np.diag(turned.affine) > 0).all()
    np.testing.assert_array_equal(turned.data, volume().data[::-1, ::-1])
    np.testing.assert_allclose(turned.affine @ [0, 0, 0, 1], np.diag([-1.0, -2, 3, 1]) @ [4, 5, 0, 1])


def test_spacing_and_volume_of_a_voxel():
    np.testing.assert_allclose(volume().spacing, [1, 2, 3])
    assert volume().voxel_ml == pytest.approx(0.006)


def test_a_fourth_axis_of_length_one_is_dropped_and_a_longer_one_refused(tmp_path):
    nib.save(nib.Nifti1Image(volume().data[..., None], OBLIQUE), tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii").data.shape == (5, 6, 7)
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 7, 2), np.int16), OBLIQUE), tmp_path / "b.nii")
    with pytest.raises(ValueError, match=r"b.nii: 4D image: shape \(5, 6, 7, 2\), expected three dimensions"):
        read_volume(tmp_path / "b.nii")


def test_a_rounded_header_is_a_rotation_for_simpleitk():
    affine = OBLIQUE.copy()
    affine[:3, :3] = np.round(affine[:3, :3], 3)
    direction = np.array(to_sitk(volume(affine)).GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(direction @ direction.T, np.eye(3), atol=1e-12)
