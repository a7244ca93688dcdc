"""Levels of tissues, from probabilities that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX, NUM_CLASSES
from brain_bundles.transforms.tissue_medians import TISSUES, sure_tissues, tissue_medians
from monai.data import MetaTensor


class Known:
    """A segmenter of a grid of 2 mm whose slices along the first axis hold one class each, with one probability."""

    def __init__(self, classes: list[tuple[str, float]]) -> None:
        self.classes = classes

    def probabilities(self, voxels, affine):
        found = torch.zeros(NUM_CLASSES, 2 * len(self.classes), 12, 12)
        for place, (name, share) in enumerate(self.classes):
            found[CLASS_INDEX[name], 2 * place : 2 * place + 2] = share
            found[0, 2 * place : 2 * place + 2] += 1 - share
        return found, MetaTensor(found[:1], affine=torch.diag(torch.tensor([2.0, 2, 2, 1])))


SEGMENTER = Known([("cortex", 0.95), ("csf", 0.8), ("white_matter", 0.91), ("lesion", 1.0), ("thalamus", 1.0)])


def test_tissues_are_those_that_are_sure_on_the_image_s_own_grid():
    """Each slice of the network's grid is two of the image's; at a border a voxel is mixed."""
    affine = np.diag([1.0, 2, 2, 1])
    affine[0, 3] = -0.5
    found = sure_tissues(SEGMENTER, MetaTensor(torch.ones(1, 20, 12, 12), affine=torch.from_numpy(affine)))
    assert found.dtype == np.uint8
    names = ["", *TISSUES]
    along = [names[place] for place in found[:, 5, 5]]
    assert (found == found[:, 5:6, 5:6]).all()
    assert along[1:3] == ["cortex", "cortex"]
    assert along[4:8] == [""] * 4
    assert along[9:11] == ["white matter"] * 2
    assert along[12:16] == [""] * 4
    assert along[17:19] == ["deep grey matter"] * 2


def test_structures_of_a_tissue_count_together():
    both = Known([("caudate", 0.5)])
    mixed, image = both.probabilities(None, None)
    mixed[CLASS_INDEX["putamen"]], mixed[0] = 0.5, 0
    both.probabilities = lambda voxels, affine: (mixed, image)
    found = sure_tissues(both, MetaTensor(torch.ones(1, 2, 12, 12), affine=torch.diag(torch.tensor([2.0, 2, 2, 1]))))
    assert (found == 1 + list(TISSUES).index("deep grey matter")).all()


def test_medians_with_their_numbers_and_none_of_too_few_voxels():
    tissues = np.zeros((3, 10, 10), np.uint8)
    tissues[0], tissues[1, :4], tissues[2] = 1, 2, 5
    volume = torch.zeros(3, 10, 10)
    volume[0] = torch.linspace(0, 0.99, 100).reshape(10, 10) ** 2
    volume[2] = 0.3
    found = tissue_medians(volume, tissues)
    assert found.keys() == {"white matter", "CSF"}
    assert found["CSF"] == (pytest.approx(0.3), 100)
    assert found["white matter"] == (pytest.approx((0.49**2 + 0.5**2) / 2), 100)
    with pytest.raises(ValueError, match=r"volume \(2, 2, 2\) and tissues \(3, 10, 10\) must be on one grid"):
        tissue_medians(torch.zeros(2, 2, 2), tissues)


def test_every_tissue_is_of_classes_that_there_are():
    names = [name for group in TISSUES.values() for name in group]
    assert len(set(names)) == len(names)
    assert set(names) <= BRAIN_CLASSES.keys()
