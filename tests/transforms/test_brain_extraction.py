import numpy as np
import pytest
from brain_bundles.data.anatomy import is_whole_head
from brain_bundles.transforms import brain_extraction
from brain_bundles.transforms.brain_extraction import (
    METHODS,
    BrainExtractionError,
    Method,
    extract_brain,
    object_mask,
)

from ..prepare.heads import head

SMALL = {"spacing": 4.0, "shape": (48, 60, 60)}


@pytest.fixture
def sphere(monkeypatch):
    """A method that takes what is brighter than 100, for T1w alone."""
    method = Method(lambda image, affine: image > 100, frozenset({"T1w"}), lambda: True, "nothing")
    monkeypatch.setattr(brain_extraction, "METHODS", {"sphere": method})
    return method


def ball(radius=60.0, spacing=4.0, size=40):
    grid = np.stack(np.meshgrid(*(np.arange(size) - size / 2,) * 3, indexing="ij")) * spacing
    image = 500.0 * (np.linalg.norm(grid, axis=0) < radius)
    return image.astype(np.float32), np.diag([spacing, spacing, spacing, 1.0])


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "PDw", "FLAIR"])
def test_heads_and_brains_are_told_apart(contrast):
    image, affine, mask = head(contrast, **SMALL)
    assert is_whole_head(np.float32(image), affine)
    brain = np.float32(image * mask)
    assert not is_whole_head(brain, affine)
    found = object_mask(brain, affine)
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.97


def test_an_empty_image_has_no_object():
    assert not object_mask(np.zeros((8, 8, 8), np.float32), np.eye(4)).any()
    assert not is_whole_head(np.zeros((8, 8, 8), np.float32), np.eye(4))


def test_the_first_method_for_the_contrast_is_taken(sphere):
    image, affine = ball()
    mask, name = extract_brain(image, affine)
    assert name == "sphere"
    np.testing.assert_array_equal(mask, image > 100)


def test_what_cannot_be_extracted_is_refused_with_what_to_do(sphere, monkeypatch):
    image, affine = ball()
    with pytest.raises(
        BrainExtractionError, match="no method extracts the brain of a swi image, only of T1w; give a mask"
    ):
        extract_brain(image, affine, "swi")
    with pytest.raises(BrainExtractionError, match="sphere found 265 mL, a brain has 700 to 2150 mL"):
        extract_brain(*ball(radius=40.0))
    with pytest.raises(ValueError, match="brain extraction by 'hd' is unknown, known are sphere"):
        extract_brain(image, affine, method="hd")
    missing = Method(sphere.run, None, lambda: False, "a package: pip install it")
    monkeypatch.setattr(brain_extraction, "METHODS", {"other": missing})
    with pytest.raises(BrainExtractionError, match="needs a package: pip install it; or give a mask"):
        extract_brain(image, affine)


def test_deepbet_finds_the_brain_of_a_made_up_head():
    assert METHODS["deepbet"].installed()
    image, affine, mask = head("T1w", **SMALL)
    found, name = extract_brain(np.float32(image), affine, method="deepbet")
    assert name == "deepbet"
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.9  # 0.94 at 2 mm: no skull is like this one
