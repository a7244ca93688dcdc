"""From probabilities to a segmentation of the scan; what is no head is refused with its reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import CLASS_INDEX, NUM_CLASSES, class_indices, freesurfer_numbers
from brain_bundles.transforms import NoHeadError, classify, segment
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat

from ..phantom.conftest import CENTRE, SHAPE, small_head

# The map has a third of a person's volume; with voxels of 1.4 mm, 820 mL inside of the skull.
STEP = 1.4
AFFINE = from_matvec(np.diag([STEP] * 3), -STEP * np.array(CENTRE))


@pytest.fixture(scope="module")
def indices() -> np.ndarray:
    return class_indices(small_head())


@pytest.fixture(scope="module")
def probabilities(indices) -> torch.Tensor:
    """0.9 for the class of each voxel, the rest shared."""
    hot = torch.nn.functional.one_hot(torch.from_numpy(indices).long(), NUM_CLASSES).permute(3, 0, 1, 2).float()
    return hot * (0.9 - 0.1 / (NUM_CLASSES - 1)) + 0.1 / (NUM_CLASSES - 1)


def truth(indices: np.ndarray, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """FreeSurfer's numbers at the voxels of another grid, of the nearest voxel."""
    world = apply_affine(affine, np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1))
    voxel = np.rint(apply_affine(np.linalg.inv(AFFINE), world)).astype(int)
    inside = ((voxel >= 0) & (voxel < np.array(SHAPE))).all(-1)
    found = np.zeros(shape, dtype=np.uint8)
    found[inside] = indices[tuple(voxel[inside].T)]
    return freesurfer_numbers(found, world[..., 0] > 0)


GRIDS = {
    "the model's": (np.diag([STEP] * 3), SHAPE),
    "finer, LPS": (np.diag([-1.0, -1.0, 1.0]), (130, 160, 140)),
    "oblique, thick slices": (euler2mat(0.2, -0.1, 0.15) @ np.diag([1.0, 1.0, 4.0]), (140, 160, 40)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_the_segmentation_lies_on_the_scan(name, probabilities, indices):
    matrix, shape = GRIDS[name]
    affine = from_matvec(matrix, -matrix @ ((np.array(shape) - 1) / 2))
    if name == "the model's":
        affine = AFFINE
    found = segment(probabilities, AFFINE, shape, affine)
    true = truth(indices, shape, affine)
    if name == "the model's":
        np.testing.assert_array_equal(class_indices(found.numbers), indices)
    assert found.numbers.shape == found.brain_mask.shape == tuple(shape)
    assert ((found.numbers > 0) == found.brain_mask).all()
    for number in (2, 41, 3, 42, 8, 47, 24, 16):
        own, other = found.numbers == number, true == number
        assert 2 * (own & other).sum() / (own.sum() + other.sum()) > 0.9, number
    for number in (17, 53, 10, 49, 11, 50, 4, 43):  # small: a border of half a voxel is a quarter of them
        own, other = found.numbers == number, true == number
        assert 2 * (own & other).sum() / (own.sum() + other.sum()) > 0.8, number
    assert found.flags == ()
    assert found.quality["cortex"] == pytest.approx(0.9, abs=0.01)


def test_volumes_are_those_of_the_classes_and_do_not_depend_on_the_scan_s_grid(probabilities, indices):
    matrix, shape = GRIDS["oblique, thick slices"]
    one = segment(probabilities, AFFINE, SHAPE, AFFINE).volumes
    two = segment(probabilities, AFFINE, shape, from_matvec(matrix, -matrix @ ((np.array(shape) - 1) / 2))).volumes
    assert one == two
    ml = np.bincount(indices.ravel(), minlength=NUM_CLASSES) * STEP**3 / 1000
    assert one["brainstem"] == pytest.approx(0.9 * ml[CLASS_INDEX["brainstem"]], rel=0.05)
    both = one["left_hippocampus"] + one["right_hippocampus"]
    assert both == pytest.approx(0.9 * ml[CLASS_INDEX["hippocampus"]], rel=0.1)
    assert one["left_cortex"] == pytest.approx(one["right_cortex"], rel=0.06)
    parts = [one[f"{side}_lateral_ventricle"] for side in ("left", "right")]
    assert one["ventricular_volume"] == pytest.approx(sum(parts))
    assert one["brain_volume"] < one["intracranial_volume"]


def test_a_border_voxel_of_many_classes_is_brain():
    """A third each of cortex, CSF and background: the background is the likeliest class, and has less than a half."""
    probabilities = torch.zeros(NUM_CLASSES, 3, 3, 3)
    probabilities[0] = 0.36
    probabilities[CLASS_INDEX["cortex"]], probabilities[CLASS_INDEX["csf"]] = 0.34, 0.30
    assert (classify(probabilities) == CLASS_INDEX["cortex"]).all()
    probabilities[0], probabilities[CLASS_INDEX["cortex"]] = 0.52, 0.18
    assert not classify(probabilities).any()


def test_what_lies_apart_from_the_brain_is_left_out(probabilities):
    other = probabilities.clone()
    other[:, 1:4, 1:4, 1:4] = 0.0
    other[CLASS_INDEX["cortex"], 1:4, 1:4, 1:4] = 1.0
    found = segment(other, AFFINE, SHAPE, AFFINE)
    assert not found.numbers[:6, :6, :6].any()


def test_a_hole_in_the_brain_is_brain(probabilities, indices):
    hole = probabilities.clone()
    place = (slice(None), slice(60, 63), slice(56, 59), slice(60, 63))
    hole[place] = 0.0
    hole[0][place[1:]] = 1.0
    assert indices[place[1:]].all()
    assert segment(hole, AFFINE, SHAPE, AFFINE).brain_mask[place[1:]].all()


def uniform(background: float) -> torch.Tensor:
    probabilities = torch.full((NUM_CLASSES, 48, 48, 48), (1 - background) / (NUM_CLASSES - 1))
    probabilities[0] = background
    return probabilities


def test_nothing_that_looks_like_a_brain():
    with pytest.raises(NoHeadError, match="nothing in it looks like a brain"):
        segment(uniform(0.8), np.diag([4.0, 4, 4, 1]), (10, 10, 10), np.eye(4))


def test_noise_has_a_low_quality():
    noise = torch.rand(NUM_CLASSES, 40, 40, 40, generator=torch.Generator().manual_seed(0)) + 0.5
    noise[0] = 0.0
    affine = np.diag([2.5, 2.5, 2.5, 1])  # 1,000 mL
    with pytest.raises(NoHeadError, match=r"the quality is 0\.\d+, expected 0\.5 or more \(minimum_quality\)"):
        segment(noise / noise.sum(0), affine, (10, 10, 10), np.eye(4))


def test_impossible_sizes_are_refused_with_the_volume(probabilities):
    small = AFFINE.copy()
    small[:3] *= 0.5  # a header in the wrong unit
    with pytest.raises(NoHeadError, match=r"\d+ mL would be inside of the skull, expected 500 to 2600"):
        segment(probabilities, small, SHAPE, small)


def test_a_head_upside_down_in_its_header_is_refused(probabilities):
    turned = np.diag([-1.0, 1.0, -1.0, 1.0]) @ AFFINE
    with pytest.raises(NoHeadError, match="expected the thalamus above the brainstem; is its header right"):
        segment(probabilities, turned, SHAPE, turned)
    backwards = np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINE
    with pytest.raises(NoHeadError, match="expected the caudate in front of the cerebellum"):
        segment(probabilities, backwards, SHAPE, backwards)


def test_uncertain_groups_are_flagged(probabilities):
    unsure = probabilities.clone()
    thalamus = probabilities[CLASS_INDEX["thalamus"]] > 0.5
    unsure[CLASS_INDEX["thalamus"], thalamus] = 0.5
    unsure[CLASS_INDEX["putamen"], thalamus] = 0.45
    found = segment(unsure, AFFINE, SHAPE, AFFINE)
    assert found.flags == ("thalamus",)
    assert found.quality["thalamus"] == pytest.approx(0.5, abs=0.01)
    assert found.quality["quality"] < 0.9


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="the network gives 4 channels, the segmenter has 19 classes"):
        segment(torch.ones(4, 8, 8, 8) / 4, np.eye(4), (8, 8, 8), np.eye(4))
