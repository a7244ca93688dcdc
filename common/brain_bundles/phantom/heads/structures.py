"""Structures of a head, and the numbers that label maps give them.

FreeSurfer, FastSurfer and SynthSeg share one table of numbers. Numbers from 500 are what SynthSeg's training maps have
around the brain; they have no published names, so the names here say where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

OUTSIDE = "outside"
FILLED = "filled"  # takes the structure of its nearest neighbour


@dataclass(frozen=True)
class Structure:
    """One structure that has a signal of its own.

    Attributes:
        group: "grey", "white", "ventricle" (lateral, with choroid plexus), "csf", or "head" around the brain.
        numbers: FreeSurfer's numbers of its left and its right side, the first ones being those that we write.
    """

    group: str
    left: tuple[int, ...]
    right: tuple[int, ...] = ()


STRUCTURES: Mapping[str, Structure] = {
    "cortex": Structure("grey", (3,), (42,)),
    "white_matter": Structure("white", (2, 25, 77, 78, 80, 81, 251, 252, 253, 254, 255), (41, 57, 79, 82)),
    "cerebellar_cortex": Structure("grey", (8,), (47,)),
    "cerebellar_white_matter": Structure("white", (7,), (46,)),
    "brainstem": Structure("white", (16, 173, 174, 175, 178)),
    "ventral_diencephalon": Structure("white", (28,), (60,)),
    "optic_chiasm": Structure("white", (85,)),
    "thalamus": Structure("grey", (10, 9), (49, 48)),
    "caudate": Structure("grey", (11,), (50,)),
    "putamen": Structure("grey", (12,), (51,)),
    "pallidum": Structure("grey", (13,), (52,)),
    "accumbens": Structure("grey", (26,), (58,)),
    "hippocampus": Structure("grey", (17,), (53,)),
    "amygdala": Structure("grey", (18,), (54,)),
    "lateral_ventricle": Structure("ventricle", (4, 5), (43, 44)),
    "choroid_plexus": Structure("ventricle", (31, 136, 137), (63, 163, 164)),
    "third_ventricle": Structure("csf", (14,)),
    "fourth_ventricle": Structure("csf", (15,)),
    "csf": Structure("csf", (24, 72, 257, 122)),
    "soft_tissue": Structure("head", (507,)),
    "skull": Structure("head", (515, 165)),
    "marrow": Structure("head", (516,)),
    "skin": Structure("head", (511,)),
    "fat": Structure("head", (258,)),  # maps do not tell fat from muscle: what lies near the skin is fat
    "eye": Structure("head", (506, 259)),
    "optic_nerve": Structure("head", (508, 530)),
    "mucosa": Structure("head", (509,)),
    "dura": Structure("head", (514,)),
    "neck_vessel": Structure("head", (502,)),
    "spinal_cord": Structure("head", (512,)),
}
NAMES = tuple(STRUCTURES)
CODE: Mapping[str, int] = {name: code for code, name in enumerate(NAMES, start=1)}  # 0 is outside
# Cortex and the white matter below it: one folded sheet, whose inner border is a level and no label.
SHEETS = {"cortex": "white_matter", "cerebellar_cortex": "cerebellar_white_matter"}
FILLED_NUMBERS = (29, 61, 30, 62, 1, 40, 6, 45)  # undetermined, vessels inside tissue, and exteriors
# Parcels of cortex and of white matter, by the hundreds: aparc (1000, 2000), Destrieux (11100, 12100), wmparc.
PARCELS = (
    (range(1000, 2000), "cortex", False),
    (range(2000, 3000), "cortex", True),
    (range(11100, 12000), "cortex", False),
    (range(12100, 13000), "cortex", True),
    (range(3000, 4000), "white_matter", False),
    (range(4000, 5000), "white_matter", True),
    (range(5001, 5002), "white_matter", False),
    (range(5002, 5003), "white_matter", True),
)
_SIDES = {
    number: (name, right)
    for name, structure in STRUCTURES.items()
    for right, numbers in ((False, structure.left), (True, structure.right))
    for number in numbers
}


def structure_of(number: int) -> tuple[str, bool] | None:
    """Structure of one number of a label map, and True on the right side; None for an unknown number."""
    if number == 0:
        return OUTSIDE, False
    if number in FILLED_NUMBERS:
        return FILLED, False
    if number in _SIDES:
        return _SIDES[number]
    return next(((name, right) for numbers, name, right in PARCELS if number in numbers), None)


def freesurfer_number(name: str, *, right: bool) -> int:
    """The number that we write for a structure; the same on both sides for structures of the midline."""
    structure = STRUCTURES[name]
    return structure.right[0] if right and structure.right else structure.left[0]


def in_group(*groups: str) -> tuple[str, ...]:
    """Names of all structures of some groups."""
    return tuple(name for name, structure in STRUCTURES.items() if structure.group in groups)


def group_table(*groups: str) -> torch.Tensor:
    """float32 by code: 1 for the structures of some groups, 0 for the others."""
    table = torch.zeros(len(CODE) + 1)
    table[[CODE[name] for name in in_group(*groups)]] = 1.0
    return table
