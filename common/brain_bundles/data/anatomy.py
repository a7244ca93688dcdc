"""Whether an image looks like one brain without skull, of any contrast: its size, its border and its inner structure.

The limits lie between 60 brain-extracted scans (19 to 96 years; healthy, tumours, stroke, multiple sclerosis) and 38
whole heads, in the contrasts T1w, T2w, FLAIR and PDw, far from each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.read_image import Image

_GRID_MM = 4.0  # coarse enough for noise and speed, fine enough for a skull
# Object: brighter than this share of its brightest voxels, as in brain_bounds.
_FRACTION = 0.1
# The object with everything it encloses, mL. The extracted brains have 1,090 to 1,790, the whole heads 2,310 to 5,720.
# Inside of the skull 377 adults have at most 1,850 (IXI).
BRAIN_ML = (700.0, 2150.0)
# Area of the object on one face of the image, cm2. The brains, cut to their bounding boxes, have up to 7, and a slice
# of 5 mm at the end of a brain has 25; the heads have at least 67.
BORDER_CM2 = 30.0
# Deviation from the mean of the six neighbours deep inside, relative to the spread of the values: 0.30 to 0.67 for the
# brains, 0.21 to 0.33 if they are blurred by 2 mm (standard deviation), 0.11 to 0.19 by 4 mm, and 1.08 for noise.
STRUCTURE = (0.15, 1.0)


@dataclass(frozen=True)
class Anatomy:
    """What an image shows.

    Attributes:
        volume_ml: the bright object with everything it encloses, mL.
        border_cm2: its largest area on one of the six faces of the image, cm2.
        structure: deviation from the mean of the neighbours deep inside, relative to the spread.
    """

    volume_ml: float
    border_cm2: float
    structure: float

    @property
    def doubts(self) -> list[tuple[str, str]]:
        """Reasons why this is no brain without skull, as (kind, detail); an empty list for a brain."""
        found = []
        low, high = BRAIN_ML
        brain = f"a brain without skull has {low:g} to {high:g} mL"
        if self.volume_ml > high:
            size = f"{self.volume_ml:.0f} mL are brighter than the background, {brain}"
            found.append(("looks like a whole head", f"{size}; extract the brain first"))
        elif self.volume_ml < low:
            size = f"{self.volume_ml:.0f} mL are brighter than the background, {brain}"
            found.append(("looks like no adult brain", f"{size}; is it a part of one, or are its voxel sizes wrong?"))
        if self.border_cm2 > BORDER_CM2:
            area = f"it has {self.border_cm2:.0f} cm2 on the border of the image, expected up to {BORDER_CM2:g}"
            found.append(
                ("looks cropped", f"{area}; is it a whole head, a part of a brain, or another part of the body?")
            )
        if not STRUCTURE[0] <= self.structure <= STRUCTURE[1]:
            what = "smooth inside" if self.structure < STRUCTURE[0] else "noise"
            limits = f"structure {self.structure:.2f}, expected {STRUCTURE[0]:g} to {STRUCTURE[1]:g}"
            found.append(("looks like no anatomy", f"it is {what} ({limits})"))
        return found


def is_whole_head(voxels: NDArray[np.float32], affine: NDArray[np.float64]) -> bool:
    """Return True if an image (D, H, W) has more than a brain: a head with skin and skull."""
    values, edges = _coarse(voxels, affine)
    return _ml(_hull(values > _FRACTION * _bright(values)), edges) > BRAIN_ML[1]


def examine(image: Image) -> Anatomy:
    """Measure what an image shows, on a grid of about 4 mm; about 0.1 s per million voxels."""
    values, edges = _coarse(image.voxels, image.affine)
    bright = _bright(values)
    hull = _hull(values > _FRACTION * bright)
    voxel = nib.affines.voxel_sizes(image.affine)
    border = 0.0
    for axis in range(3):
        area = float(np.prod(np.delete(voxel, axis))) / 100
        faces = (image.voxels.take(end, axis) > _FRACTION * bright for end in (0, -1))
        border = max(border, *(float(face.sum()) * area for face in faces))
    return Anatomy(_ml(hull, edges), border, _structure(values, hull))


def _bright(values: NDArray[np.float32]) -> float:
    return float(np.quantile(values[values > 0], 0.99)) if (values > 0).any() else 0.0


def _hull(object_: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Everything that has a voxel of the object on each of its six sides."""
    hull = np.ones_like(object_)
    for axis in range(3):
        for direction in (1, -1):
            seen = np.maximum.accumulate(np.flip(object_, axis) if direction < 0 else object_, axis)
            hull &= np.flip(seen, axis) if direction < 0 else seen
    return hull


def _ml(mask: NDArray[np.bool_], edges: NDArray[np.float64]) -> float:
    return float(mask.sum() * np.prod(edges)) / 1000


def _coarse(
    voxels: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Means over blocks of voxels of about 4 mm, and the edges of the blocks, mm."""
    voxel = nib.affines.voxel_sizes(affine)
    factor = np.clip(np.rint(_GRID_MM / voxel).astype(int), 1, voxels.shape)
    number = np.array(voxels.shape) // factor
    whole = voxels[tuple(slice(n * f) for n, f in zip(number, factor, strict=True))]
    blocks = whole.reshape([n for pair in zip(number, factor, strict=True) for n in pair])
    return blocks.mean((1, 3, 5), dtype=np.float32), voxel * factor


def _structure(values: NDArray[np.float32], hull: NDArray[np.bool_]) -> float:
    """0 if nothing lies deep inside."""
    depth = 2  # the surface and what touches it mix with the background
    inside = hull.copy()
    for _ in range(depth + 1):
        inside = np.logical_and.reduce([_moved(inside, axis, step) for axis in range(3) for step in (0, 1, -1)])
    neighbours = sum(_moved(values, axis, step) for axis in range(3) for step in (1, -1))
    spread = float(values[inside].std()) if inside.any() else 0.0
    return float((values - neighbours / 6)[inside].std()) / spread if spread > 0 else 0.0


def _moved(values: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """Move an array by one voxel, with 0 at the end that becomes free."""
    moved = np.roll(values, step, axis)
    if step:
        np.moveaxis(moved, axis, 0)[0 if step > 0 else -1] = 0
    return moved
