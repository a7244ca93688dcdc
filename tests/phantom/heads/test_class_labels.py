"""The segmentation of a head of the population."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data.brain_classes import CLASS_INDEX, class_indices, class_names, classes_of
from brain_bundles.phantom import HeadPopulation
from brain_bundles.phantom.heads.class_labels import class_labels, class_numbers


@pytest.fixture(scope="module")
def head(anatomies):
    people = HeadPopulation(
        anatomies, spatial_size=(80, 88, 80), spacing=2.5, whole_head=True, stroke_probability=1.0, exact=True
    )
    return people.subject("train", 0)


def test_the_volumes_are_those_of_the_head(head):
    labels = class_labels(head)
    ml = np.bincount(labels.ravel(), minlength=len(CLASS_INDEX)) * 2.5**3 / 1000
    assert float((labels > 0).sum()) == float(head.brain_mask.sum())
    assert ml[1:].sum() == pytest.approx(head.volumes["intracranial_volume"], rel=0.02)
    brain = ml[classes_of(tissue=("grey", "white", "lesion"))].sum()
    assert brain == pytest.approx(head.volumes["brain_volume"], rel=0.1)
    assert ml[CLASS_INDEX["lateral_ventricle"]] == pytest.approx(head.volumes["ventricular_volume"], rel=0.25)
    assert ml[CLASS_INDEX["lesion"]] > 0
    # The map has no fourth ventricle, ventral diencephalon; the others are all there.
    missing = {name for name, index in CLASS_INDEX.items() if ml[index] == 0}
    assert missing == {"fourth_ventricle", "ventral_diencephalon"}


def test_a_class_counts_with_all_its_parts(head):
    """A voxel of a third each of ventricle, plexus and white matter is ventricle."""
    labels = class_labels(head)
    ventricle = head.fractions["lateral_ventricle"] + head.fractions["choroid_plexus"]
    most = (ventricle > 0.5).numpy() & head.brain_mask.numpy()
    assert (labels[most] == CLASS_INDEX["lateral_ventricle"]).all()


def test_the_numbers_are_freesurfer_s_with_sides(head):
    labels, numbers = class_labels(head), class_numbers(head)
    np.testing.assert_array_equal(class_indices(numbers), labels)
    right = head.right.numpy() > 0
    hippocampus = labels == CLASS_INDEX["hippocampus"]
    assert set(numbers[hippocampus & right]) == {53}
    assert set(numbers[hippocampus & ~right]) == {17}
    assert class_names()[0] == "background"
    assert set(numbers[labels == 0]) == {0}
