"""The classes of the segmenter: structures of the brain, left and right merged, with FreeSurfer's numbers of both.

The table is the only place that says what a class is. Networks know the indices alone; files have FreeSurfer's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BACKGROUND = "background"


@dataclass(frozen=True)
class BrainClass:
    """One class of the segmenter.

    Attributes:
        left, right: FreeSurfer's numbers of the two sides, the first ones being those that we write; without ``right``
            the structure lies on the midline.
        tissue: "grey", "white", "ventricle" (lateral), "csf", or "lesion", which counts as brain.
        group: part of the quality score that the class belongs to; None for one that a healthy brain may lack.
        structures: names in the head population, see :mod:`brain_bundles.phantom.heads.structures`.
        colour: red, green and blue in pictures, that of FreeSurfer's table.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    tissue: str
    group: str | None
    structures: tuple[str, ...]
    colour: tuple[int, int, int]


_LESIONS = (
    *("hyperintensity", "oedema", "tumour_core", "enhancing_tumour"),
    *("plaque", "active_plaque", "stroke_core", "stroke_gliosis"),
)
# Index in the network = place in the table + 1; 0 is the background. Numbers that others write for parts of a structure
# are read too: the corpus callosum (251 to 255), parts of the stem, the inferior horns (5, 44) and the plexus (31, 63).
BRAIN_CLASSES: Mapping[str, BrainClass] = {
    "white_matter": BrainClass(
        (2, 251, 252, 253, 254, 255), (41,), "white", "white matter", ("white_matter",), (245, 245, 245)
    ),
    "cortex": BrainClass((3,), (42,), "grey", "cortex", ("cortex",), (205, 62, 78)),
    "lateral_ventricle": BrainClass(
        (4, 5, 31, 136, 137),
        (43, 44, 63, 163, 164),
        "ventricle",
        "fluid",
        ("lateral_ventricle", "choroid_plexus"),
        (120, 18, 134),
    ),
    "third_ventricle": BrainClass((14,), (), "csf", "fluid", ("third_ventricle",), (204, 182, 142)),
    "fourth_ventricle": BrainClass((15,), (), "csf", "fluid", ("fourth_ventricle",), (42, 204, 164)),
    "cerebellar_white_matter": BrainClass(
        (7,), (46,), "white", "cerebellum", ("cerebellar_white_matter",), (220, 248, 164)
    ),
    "cerebellar_cortex": BrainClass((8,), (47,), "grey", "cerebellum", ("cerebellar_cortex",), (230, 148, 34)),
    "thalamus": BrainClass((10, 9), (49, 48), "grey", "thalamus", ("thalamus",), (0, 118, 14)),
    "caudate": BrainClass((11,), (50,), "grey", "basal ganglia", ("caudate",), (122, 186, 220)),
    "putamen": BrainClass((12,), (51,), "grey", "basal ganglia", ("putamen",), (236, 13, 176)),
    "pallidum": BrainClass((13,), (52,), "grey", "basal ganglia", ("pallidum",), (12, 48, 255)),
    "accumbens": BrainClass((26,), (58,), "grey", "basal ganglia", ("accumbens",), (255, 165, 0)),
    "hippocampus": BrainClass((17,), (53,), "grey", "medial temporal lobe", ("hippocampus",), (220, 216, 20)),
    "amygdala": BrainClass((18,), (54,), "grey", "medial temporal lobe", ("amygdala",), (103, 255, 255)),
    "brainstem": BrainClass(
        (16, 170, 171, 172, 173, 174, 175, 178), (), "white", "brainstem", ("brainstem",), (119, 159, 176)
    ),
    # The optic chiasm, 0.2 mL, touches it and is no class of its own.
    "ventral_diencephalon": BrainClass(
        (28, 85), (60,), "white", "brainstem", ("ventral_diencephalon", "optic_chiasm"), (165, 42, 42)
    ),
    # Vessels that show run in CSF for the most part.
    "csf": BrainClass((24, 30, 62, 72, 122, 257), (), "csf", "fluid", ("csf", "artery", "vein"), (60, 60, 160)),
    "lesion": BrainClass((25, 77, 78, 80, 81), (57, 79, 82), "lesion", None, _LESIONS, (255, 110, 40)),
}
NUM_CLASSES = len(BRAIN_CLASSES) + 1
CLASS_INDEX: Mapping[str, int] = {BACKGROUND: 0, **{name: i for i, name in enumerate(BRAIN_CLASSES, start=1)}}
# What FreeSurfer's tools write over the whole cortex or white matter, by the hundreds (aparc, Destrieux, wmparc).
_PARCELS = (
    (1000, 3000, "cortex"),
    (11100, 13000, "cortex"),
    (3000, 5000, "white_matter"),
    (5001, 5003, "white_matter"),
)


def class_names() -> list[str]:
    """Names of all classes by index, with the background first."""
    return list(CLASS_INDEX)


def classes_of(*, tissue: Sequence[str] = (), group: str | None = None) -> list[int]:
    """Indices of the classes of some tissues, or of one group of the quality score."""
    return [
        CLASS_INDEX[name]
        for name, one in BRAIN_CLASSES.items()
        if one.tissue in tissue or (group is not None and one.group == group)
    ]


def quality_groups() -> dict[str, list[int]]:
    """Indices of the classes of each group of the quality score."""
    names = dict.fromkeys(one.group for one in BRAIN_CLASSES.values() if one.group is not None)
    return {name: classes_of(group=name) for name in names}


def paired_classes() -> list[int]:
    """Indices of the structures that there are on both sides, without lesions, which are not symmetric."""
    return [CLASS_INDEX[name] for name, one in BRAIN_CLASSES.items() if one.right and one.tissue != "lesion"]


def midline_classes() -> list[int]:
    """Indices of the structures that the middle plane halves."""
    return [CLASS_INDEX[name] for name, one in BRAIN_CLASSES.items() if not one.right and name != "csf"]


def class_indices(numbers: ArrayLike, table: Mapping[str, Sequence[int]] | None = None) -> NDArray[np.uint8]:
    """Indices of the classes, uint8, for the numbers of a segmentation, of the same shape.

    Args:
        numbers: whole numbers, such as FreeSurfer's.
        table: class -> its numbers in another scheme; None for FreeSurfer's. What it does not name becomes background.

    Raises:
        ValueError: for an unknown class in ``table``.
    """
    if table is not None and (unknown := [name for name in table if name not in CLASS_INDEX]):
        raise ValueError(f"unknown classes {unknown}, known are {', '.join(CLASS_INDEX)}.")
    given = np.rint(np.asarray(numbers)).astype(np.int64)
    found, inverse = np.unique(given, return_inverse=True)
    known = {number: CLASS_INDEX[name] for name, group in (table or _freesurfer()).items() for number in group}
    parcels = _PARCELS if table is None else ()

    def index(number: int) -> int:
        if number in known:
            return known[number]
        return next((CLASS_INDEX[name] for first, last, name in parcels if first <= number < last), 0)

    indices = np.array([index(int(number)) for number in found], dtype=np.uint8)
    return indices[inverse].reshape(given.shape)


def freesurfer_numbers(indices: ArrayLike, right: ArrayLike) -> NDArray[np.uint8]:
    """FreeSurfer's numbers, uint8, for classes and the side of each voxel.

    Args:
        indices: indices of classes.
        right: True on the right side, of the same shape.
    """
    tables = np.zeros((2, NUM_CLASSES), dtype=np.uint8)
    for name, one in BRAIN_CLASSES.items():
        tables[0, CLASS_INDEX[name]] = one.left[0]
        tables[1, CLASS_INDEX[name]] = (one.right or one.left)[0]
    return tables[np.asarray(right).astype(np.int64), np.asarray(indices).astype(np.int64)]


def freesurfer_names() -> dict[int, str]:
    """Name of each number that :func:`freesurfer_numbers` gives, for a table beside the files."""
    names: dict[int, str] = {}
    for name, one in BRAIN_CLASSES.items():
        if one.right:
            names |= {one.left[0]: f"left_{name}", one.right[0]: f"right_{name}"}
        else:
            names[one.left[0]] = name
    return dict(sorted(names.items()))


def _freesurfer() -> dict[str, tuple[int, ...]]:
    return {name: (*one.left, *one.right) for name, one in BRAIN_CLASSES.items()}
