"""One label map of a head from a file, in any orientation and voxel size."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.processing import resample_to_output
from scipy import ndimage

from brain_bundles.phantom.heads.structures import (
    CODE,
    FILLED,
    freesurfer_number,
    in_group,
    structure_of,
)

logger = logging.getLogger(__name__)

NECESSARY = ("cortex", "white_matter", "lateral_ventricle")
SPINAL_MARGIN_MM = 6  # CSF lower than this below the brainstem lies in the spinal canal


@dataclass(frozen=True)
class LabelMap:
    """Structures of one head at 1 mm, RAS.

    Attributes:
        codes: (D, H, W) uint8, ``CODE`` of the structure, 0 outside of the head.
        right: (D, H, W) bool, the right side; where the map does not tell, what is to the right of its midline.
        has_head: True if the map shows what is around the brain.
    """

    codes: np.ndarray
    right: np.ndarray
    has_head: bool

    def is_in(self, *groups: str) -> np.ndarray:
        """Mask of all structures of some groups."""
        return self.table(groups)[self.codes]

    @staticmethod
    def table(groups: tuple[str, ...]) -> np.ndarray:
        """Boolean by code."""
        table = np.zeros(len(CODE) + 1, dtype=bool)
        table[[CODE[name] for name in in_group(*groups)]] = True
        return table


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Read a label map with FreeSurfer's numbers. Numbers without a known structure are named in the log.

    A voxel with such a number, and one that lies between structures, takes the structure of its nearest neighbour
    inside of the brain, and is outside otherwise.

    Raises:
        ValueError: if the file is no 3D map of whole numbers, or cortex, white matter or lateral ventricles are
            missing.
    """
    numbers = _numbers(path)
    lowest = int(numbers.min())
    counts = np.bincount((numbers - lowest).ravel())
    values = np.flatnonzero(counts) + lowest
    found = [structure_of(int(value)) for value in values]
    if unknown := {int(v): int(n) for v, n, s in zip(values, counts[counts > 0], found, strict=True) if not s}:
        listed = ", ".join(f"{value} ({count / 1000:.1f} mL)" for value, count in unknown.items())
        logger.warning("%s: labels without a known structure: %s; filled from their neighbours.", path, listed)
    names = [entry[0] if entry else FILLED for entry in found]
    if missing := [name for name in NECESSARY if name not in names]:
        raise ValueError(
            f"{path}: no {', '.join(missing)} in the map (FreeSurfer's numbers "
            f"{', '.join(str(freesurfer_number(name, right=False)) for name in missing)}); its labels are "
            f"{[int(value) for value in values[:20]]}."
        )
    tables = np.zeros((3, len(counts)), dtype=np.uint8)  # code, right side, filled; by number
    for value, name, entry in zip(values - lowest, names, found, strict=True):
        tables[:, value] = (CODE.get(name, 0), bool(entry and entry[1]), name == FILLED)
    codes, right = tables[0][numbers - lowest], tables[1][numbers - lowest].astype(bool)
    if not tables[1].any():
        middle = np.average(np.arange(codes.shape[0]), weights=(codes == CODE["cortex"]).sum((1, 2)))
        right = np.broadcast_to((np.arange(codes.shape[0]) > middle)[:, None, None], codes.shape)
    _fill_inside(codes, tables[2][numbers - lowest].astype(bool))
    _cut_spine(codes)
    has_head = bool(np.isin(codes, [CODE["skull"], CODE["soft_tissue"]]).any())
    return LabelMap(codes, np.ascontiguousarray(right), has_head)


def _numbers(path: str | os.PathLike[str]) -> np.ndarray:
    """Whole numbers of a map at 1 mm, RAS."""
    image = nib.as_closest_canonical(nib.load(path))
    if len(image.shape) != 3:
        raise ValueError(f"{path}: shape {image.shape}, expected a 3D label map.")
    if not np.allclose(image.affine[:3, :3], np.eye(3), atol=1e-3):
        image = resample_to_output(image, voxel_sizes=1.0, order=0)
    data = np.asarray(image.dataobj)
    numbers = data.astype(np.int32)
    if not np.array_equal(numbers, data):
        raise ValueError(f"{path}: values such as {data[numbers != data][0]:g}; a label map has whole numbers.")
    return numbers


def _fill_inside(codes: np.ndarray, filled: np.ndarray) -> None:
    """Give ``filled`` voxels the code of their nearest neighbour, within the box of the brain alone."""
    if not filled.any():
        return
    box = tuple(slice(max(0, low - 2), high + 3) for low, high in extent(filled))
    nearest = ndimage.distance_transform_edt(filled[box], return_distances=False, return_indices=True)
    codes[box] = codes[box][tuple(nearest)]


def _cut_spine(codes: np.ndarray) -> None:
    """Take the CSF of the spinal canal, and CSF apart from the brain, out of the head: a brain image has none."""
    stem = codes == CODE["brainstem"]
    csf = codes == CODE["csf"]
    if stem.any() and csf.any():
        lowest = int(np.flatnonzero(stem.any((0, 1)))[0]) - SPINAL_MARGIN_MM
        csf[:, :, max(0, lowest) :] = False
        codes[csf] = CODE["spinal_cord"]


def extent(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of a mask along each axis."""
    axes = [np.flatnonzero(mask.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return [(int(axis[0]), int(axis[-1])) for axis in axes]
