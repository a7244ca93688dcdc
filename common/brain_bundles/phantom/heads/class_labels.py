"""The segmentation of a head of the population into the classes of the segmenter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX, freesurfer_numbers
from brain_bundles.phantom.heads.anatomy import summed
from brain_bundles.phantom.heads.subject import HeadSubject, largest


def class_labels(head: HeadSubject) -> NDArray[np.uint8]:
    """Index of the class with the largest fraction, (D, H, W); 0 outside of the skull.

    The parts of a class count together: a voxel that is half ventricle and half plexus is ventricle.
    """
    present = {
        CLASS_INDEX[name]: [part for part in one.structures if part in head.fractions]
        for name, one in BRAIN_CLASSES.items()
    }
    parts = {index: summed(head.fractions[name] for name in names) for index, names in present.items() if names}
    (labels,) = largest(parts.values(), list(parts))
    return (labels * head.brain_mask).numpy()


def class_numbers(head: HeadSubject) -> NDArray[np.uint8]:
    """The same as FreeSurfer's numbers, left and right told apart."""
    return freesurfer_numbers(class_labels(head), head.right.numpy() > 0)
