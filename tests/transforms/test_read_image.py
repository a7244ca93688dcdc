"""Reading as a transform: the one reader and no other, with the file's name and affine."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import ImageError, read_values
from brain_bundles.transforms import ReadImaged

AFFINE = np.diag([-2.0, 2.5, 3.0, 1.0])
DATA = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    nib.save(nib.Nifti1Image(DATA, AFFINE), tmp_path / "a.nii.gz")
    return str(tmp_path / "a.nii.gz")


def test_a_file_becomes_a_volume_that_knows_its_place_and_its_file(path):
    item = {"image": path, "age": 40}
    out = ReadImaged(["image", "label"], allow_missing_keys=True)(item)
    assert item == {"image": path, "age": 40}
    assert out["age"] == 40
    image = out["image"]
    np.testing.assert_array_equal(image.as_tensor().numpy(), DATA[None])
    np.testing.assert_array_equal(image.affine.numpy(), AFFINE)
    assert image.meta["filename_or_obj"] == path
    with pytest.raises(KeyError, match="label"):
        ReadImaged(["image", "label"])(item)


def test_a_damaged_file_is_not_given_to_another_reader(path):
    """nibabel reads it: only the checksum shows the damage."""
    whole = bytearray(gzip.compress(gzip.decompress(Path(path).read_bytes()), 0))
    whole[-200] ^= 1
    Path(path).write_bytes(whole)
    assert nib.load(path).get_fdata().shape == DATA.shape
    with pytest.raises(ImageError, match=r"a\.nii\.gz: unreadable or truncated image: CRC check failed"):
        ReadImaged("image")({"image": path})


def test_labels_are_kept_as_they_are(tmp_path):
    labels = np.full((6, 7, 8), 3, dtype=np.uint8)
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "seg.nii.gz")
    out = ReadImaged("seg", read_values)({"seg": str(tmp_path / "seg.nii.gz")})
    assert (out["seg"] == 3).all()
    with pytest.raises(ImageError, match="constant volume"):
        ReadImaged("seg")({"seg": str(tmp_path / "seg.nii.gz")})
