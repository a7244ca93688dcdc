"""The table of classes: each number and each structure of the population has one class."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data.brain_classes import (
    BRAIN_CLASSES,
    CLASS_INDEX,
    NUM_CLASSES,
    class_indices,
    class_names,
    classes_of,
    freesurfer_names,
    freesurfer_numbers,
    midline_classes,
    paired_classes,
    quality_groups,
)
from brain_bundles.phantom.heads.structures import STRUCTURES, structure_of
from brain_bundles.phantom.heads.subject import LABELS


def test_every_number_has_one_class_and_fits_into_a_byte():
    numbers = [number for one in BRAIN_CLASSES.values() for number in (*one.left, *one.right)]
    assert len(numbers) == len(set(numbers))
    assert max(one.left[0] for one in BRAIN_CLASSES.values()) < 256
    assert len({one.colour for one in BRAIN_CLASSES.values()}) == len(BRAIN_CLASSES)


def test_every_structure_of_the_population_has_one_class():
    """Inside of the skull; lesions and vessels, too."""
    names = [name for one in BRAIN_CLASSES.values() for name in one.structures]
    assert len(names) == len(set(names))
    inside = {name for name, one in STRUCTURES.items() if one.group != "head"}
    assert set(names) == inside | {name for group in LABELS.values() for name in group}


def test_numbers_mean_what_the_label_maps_mean_by_them():
    for name, one in BRAIN_CLASSES.items():
        for right, numbers in ((False, one.left), (True, one.right)):
            for number in numbers:
                known = structure_of(number)
                if name != "lesion" and known is not None and known[0] not in ("filled", "white_matter"):
                    assert known[0] in one.structures, number
                    assert known[1] == right, number


def test_numbers_come_back_with_their_sides():
    indices = np.arange(NUM_CLASSES).repeat(2).reshape(-1, 2)
    right = np.broadcast_to([False, True], indices.shape)
    numbers = freesurfer_numbers(indices, right)
    np.testing.assert_array_equal(class_indices(numbers), indices)
    assert set(numbers.ravel().tolist()) == {0, *freesurfer_names()}
    at = dict(zip(class_names(), numbers.tolist(), strict=True))
    assert at["hippocampus"] == [17, 53]
    assert at["brainstem"] == [16, 16]
    assert at["lateral_ventricle"] == [4, 43]
    assert at["background"] == [0, 0]
    assert freesurfer_names()[53] == "right_hippocampus"
    assert freesurfer_names()[15] == "fourth_ventricle"


def test_parts_parcels_and_unknown_numbers():
    found = class_indices(np.array([[5, 63, 1035, 12101], [3001, 254, 9999, -3]]))
    assert [class_names()[index] for index in found.ravel()] == [
        *("lateral_ventricle", "lateral_ventricle", "cortex", "cortex"),
        *("white_matter", "white_matter", "background", "background"),
    ]


def test_another_table_of_numbers():
    table = {"lateral_ventricle": [51, 52], "third_ventricle": [4]}
    found = class_indices([51.0, 4.0, 17.0, 0.0], table)
    assert found.tolist() == [CLASS_INDEX["lateral_ventricle"], CLASS_INDEX["third_ventricle"], 0, 0]
    with pytest.raises(ValueError, match=r"unknown classes \['ventricle'\], known are background, white_matter"):
        class_indices([1], {"ventricle": [1]})


def test_groups_and_tissues():
    groups = quality_groups()
    everything = sorted(index for group in groups.values() for index in group)
    assert everything == [index for name, index in CLASS_INDEX.items() if name not in ("background", "lesion")]
    assert classes_of(tissue=("ventricle",)) == [CLASS_INDEX["lateral_ventricle"]]
    assert [class_names()[index] for index in midline_classes()] == ["third_ventricle", "fourth_ventricle", "brainstem"]
    assert CLASS_INDEX["lesion"] not in paired_classes()
    assert CLASS_INDEX["caudate"] in paired_classes()
