"""NIfTI output: values, geometry and bytes through the file, and truncated files."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import is_complete_nifti, read_header, write_labels, write_nifti
from brain_bundles.data.nifti_header import NiftiHeader
from brain_bundles.version import __version__
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat

OBLIQUE = from_matvec(euler2mat(0.1, -0.3, 0.2) @ np.diag([-1.0, 1.5, 2.5]), [30.0, -20.5, 7.25])


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).random((5, 6, 7))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_values_and_geometry_survive_the_file(tmp_path, volume, name):
    volume[0, 0, :2] = 0, 1
    write_nifti(tmp_path / name, volume, OBLIQUE)
    image = nib.load(tmp_path / name)
    values = image.get_fdata()
    assert image.get_data_dtype() == np.int16
    assert values[0, 0, 0] == 0  # exactly
    assert values[0, 0, 1] == 1
    np.testing.assert_allclose(values, volume, atol=2**-15, rtol=0)  # half a step of 14 bits
    for affine in (image.affine, image.get_sform(), image.get_qform()):
        np.testing.assert_allclose(affine, OBLIQUE, atol=1e-5)  # float32 header
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header["cal_max"] == 1
    assert bytes(image.header["descrip"]).startswith(b"brain-bundles")
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no temporary file is left


def test_an_affine_with_shear_has_no_quaternion(tmp_path, volume):
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    write_nifti(tmp_path / "a.nii.gz", volume, sheared)
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.affine, sheared)
    assert int(image.header["qform_code"]) == 0


def test_the_same_data_give_the_same_bytes(tmp_path, volume):
    write_nifti(tmp_path / "a.nii.gz", volume, OBLIQUE)
    write_nifti(tmp_path / "b" / "other.nii.gz", volume.astype(np.float32).astype(np.float64), OBLIQUE)
    write_nifti(tmp_path / "c.nii.gz", np.asfortranarray(volume), OBLIQUE)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # gzip's time stamp
    assert (tmp_path / "c.nii.gz").read_bytes() == content
    np.testing.assert_allclose(
        nib.load(tmp_path / "b" / "other.nii.gz").get_fdata(), nib.load(tmp_path / "a.nii.gz").get_fdata(), atol=2**-14
    )


def source_header(path: Path, dtype: type, kind: type = nib.nifti1.Nifti1Image) -> NiftiHeader:
    """A header of (5, 6, 7) voxels in micrometres, with two forms that differ and codes 4 and 2."""
    affine = OBLIQUE.copy()
    affine[:3] *= 1000
    image = kind(np.ones((5, 6, 7), dtype=dtype), affine, dtype=dtype)
    image.set_sform(affine, 4)
    turned = affine.copy()
    turned[:3, 3] += 5000
    image.set_qform(turned, 2)
    image.header.set_xyzt_units("micron", "sec")
    nib.save(image, path)
    return read_header(path)


@pytest.mark.parametrize(
    ("dtype", "error"),
    [
        (np.uint8, 0.5 / 255),
        (np.int8, 0.5 / 127),
        (np.int16, 2**-15),
        (np.uint16, 2**-15),
        (np.int32, 2**-15),
        (np.float32, 2**-24),
        (np.float64, 0),
    ],
)
def test_a_volume_like_its_source_keeps_forms_unit_and_type(tmp_path, volume, dtype, error):
    volume[0, 0, :2] = 0, 1
    source = source_header(tmp_path / "source.nii.gz", dtype)
    write_nifti(tmp_path / "a.nii.gz", volume, source.affine, like=source, description="T2w synthesised")
    old, new = nib.load(tmp_path / "source.nii.gz"), nib.load(tmp_path / "a.nii.gz")
    assert new.get_data_dtype() == dtype
    np.testing.assert_allclose(new.get_fdata(), volume, rtol=0, atol=error + 1e-7 * (np.dtype(dtype).itemsize == 1))
    np.testing.assert_array_equal(new.get_sform(), old.get_sform())
    np.testing.assert_array_equal(new.get_qform(), old.get_qform())
    assert [int(new.header[f"{form}_code"]) for form in ("sform", "qform")] == [4, 2]
    assert new.header.get_xyzt_units()[0] == "micron"
    np.testing.assert_array_equal(read_header(tmp_path / "a.nii.gz").affine, source.affine)
    assert bytes(new.header["descrip"]).rstrip(b"\0").decode() == f"brain-bundles {__version__} T2w synthesised"
    assert (float(new.header["cal_min"]), float(new.header["cal_max"])) == (0, 1)


def test_the_version_of_nifti_is_kept_and_a_long_description_is_cut(tmp_path, volume):
    source = source_header(tmp_path / "source.nii", np.int16, nib.nifti2.Nifti2Image)
    write_nifti(tmp_path / "a.nii", volume, source.affine, like=source, description="x" * 200)
    image = nib.load(tmp_path / "a.nii")
    assert isinstance(image, nib.nifti2.Nifti2Image)
    assert len(bytes(image.header["descrip"]).rstrip(b"\0")) == 79


def test_a_volume_that_is_not_on_its_source_s_grid_is_refused(tmp_path, volume):
    source = source_header(tmp_path / "source.nii", np.int16)
    with pytest.raises(ValueError, match="are not those of its source"):
        write_nifti(tmp_path / "a.nii", volume, np.eye(4), like=source)
    with pytest.raises(ValueError, match=r"shape \(4, 6, 7\) .* are not those of its source"):
        write_nifti(tmp_path / "a.nii", volume[1:], source.affine, like=source)


def test_labels_survive_the_file(tmp_path):
    labels = np.arange(24).reshape(2, 3, 4) * 11
    write_labels(tmp_path / "a.nii.gz", labels, OBLIQUE)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), labels)
    assert image.header["cal_max"] == 253


@pytest.mark.parametrize(
    ("change", "affine", "message"),
    [
        (lambda v: v - 0.5, OBLIQUE, r"values from -0\.\d+ to .*expected \[0, 1\]"),
        (lambda v: v * 2, OBLIQUE, r"expected \[0, 1\]"),
        (lambda v: np.where(v > 0.5, np.nan, v), OBLIQUE, "values from nan"),
        (lambda v: v[0], OBLIQUE, r"shape \(6, 7\), expected a 3D volume"),
        (lambda v: v[:0], OBLIQUE, r"shape \(0, 6, 7\)"),
        (lambda v: v, np.zeros((4, 4)), "invertible"),
        (lambda v: v, np.eye(3), "invertible"),
    ],
)
def test_what_is_not_a_volume_is_refused(tmp_path, volume, change, affine, message):
    with pytest.raises(ValueError, match=message):
        write_nifti(tmp_path / "a.nii.gz", change(volume), affine)
    assert not list(tmp_path.iterdir())


def test_bad_names_and_labels_are_refused(tmp_path, volume):
    with pytest.raises(ValueError, match=r"ends in \.nii\.gz"):
        write_nifti(tmp_path / "a.mgz", volume, OBLIQUE)
    for labels in (volume, np.full((2, 2, 2), 256), np.full((2, 2, 2), -1)):
        with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
            write_labels(tmp_path / "a.nii.gz", labels, OBLIQUE)


def test_a_failed_write_leaves_the_old_file(tmp_path, volume, monkeypatch):
    path = tmp_path / "a.nii.gz"
    write_nifti(path, volume, OBLIQUE)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_nifti(path, 1 - volume, OBLIQUE)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_damage_is_seen(tmp_path: Path, volume):
    path = tmp_path / "a.nii.gz"
    write_nifti(path, volume, OBLIQUE)
    assert is_complete_nifti(path)
    content = path.read_bytes()
    for cut in (0, 5, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        assert not is_complete_nifti(path), cut
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :])
    assert not is_complete_nifti(path)
    path.write_bytes(gzip.compress(gzip.decompress(content)[:-2]))  # a valid stream of too few voxels
    assert not is_complete_nifti(path)
    path.write_bytes(b"not an image at all" * 100)
    assert not is_complete_nifti(path)
    assert not is_complete_nifti(tmp_path / "missing.nii.gz")
    assert not is_complete_nifti(tmp_path)

    plain = tmp_path / "a.nii"
    write_nifti(plain, volume, OBLIQUE)
    assert is_complete_nifti(plain)
    plain.write_bytes(plain.read_bytes()[:-1])
    assert not is_complete_nifti(plain)
