import nibabel as nib
import numpy as np
import pytest
from brain_bundles.transforms import brain_extraction, image_preprocessing
from brain_bundles.transforms.brain_extraction import BrainExtractionError, Method
from brain_bundles.transforms.extract_brain import BRAIN_EXTRACTION, BRAIN_MASK, ExtractBraind, pack, unpack

from ..prepare.heads import head

GRID = {"spacing": 4.0, "spatial_size": (48, 56, 48)}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A head and its brain alone, and a method that knows the true mask."""
    image, affine, mask = head("T1w", spacing=4.0, shape=(48, 60, 60))
    affine = affine @ np.diag([-1, 1, 1, 1])  # the axes of the file are not RAS
    nib.save(nib.Nifti1Image(image, affine), tmp_path / "head.nii.gz")
    nib.save(nib.Nifti1Image(image * mask.astype(np.int16), affine), tmp_path / "brain.nii.gz")
    method = Method(lambda image, affine: mask, frozenset({"T1w"}), lambda: True, "nothing")
    monkeypatch.setattr(brain_extraction, "METHODS", {"truth": method})
    return tmp_path, mask


def test_a_head_is_prepared_like_its_brain(files):
    folder, mask = files
    plain = image_preprocessing("image", **GRID)
    extracting = image_preprocessing("image", **GRID, extract_brain="auto")
    brain = plain({"image": str(folder / "brain.nii.gz")})["image"]
    item = extracting({"image": str(folder / "head.nii.gz"), "source": "T1w"})
    np.testing.assert_array_equal(item["image"].numpy(), brain.numpy())
    assert item[BRAIN_EXTRACTION] == "truth"
    np.testing.assert_array_equal(unpack(item[BRAIN_MASK], mask.shape), mask)


@pytest.mark.parametrize(("mode", "extracted"), [("auto", ""), (True, "truth")])
def test_a_brain_stays_as_it_is_unless_extraction_is_forced(files, mode, extracted):
    folder, _ = files
    item = image_preprocessing("image", **GRID, extract_brain=mode)({"image": str(folder / "brain.nii.gz")})
    assert item[BRAIN_EXTRACTION] == extracted
    assert bool(item[BRAIN_MASK]) == bool(extracted)


def test_a_head_that_cannot_be_extracted_is_named(files):
    folder, _ = files
    preprocessing = image_preprocessing("image", **GRID, extract_brain="auto")
    with pytest.raises((RuntimeError, BrainExtractionError)) as caught:
        preprocessing({"image": str(folder / "head.nii.gz"), "source": "swi"})
    error = caught.value if isinstance(caught.value, BrainExtractionError) else caught.value.__cause__
    assert "head.nii.gz: no method extracts the brain of a swi image" in str(error)


def test_modes_are_checked():
    with pytest.raises(ValueError, match="extract_brain is 'yes', allowed are True, False and 'auto'"):
        ExtractBraind("image", "yes")


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 1, 1), (8, 8, 8)])
def test_a_mask_comes_back_from_its_bytes(shape):
    mask = np.random.default_rng(0).random(shape) < 0.5
    np.testing.assert_array_equal(unpack(pack(mask), shape), mask)
