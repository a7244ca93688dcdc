"""Whether an image looks like one brain without skull, of any contrast: its size, its border and its inner structure.

The limits lie between 60 brain-extracted scans (19 to 96 years; healthy, tumours, stroke, multiple sclerosis) and 38
whole heads, in the contrasts T1w, T2w, FLAIR and PDw, far from each.
"""

from __future__ import annotations

from dataclasses import dataclass

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
# Area of the object on one face of the image, cm2: up to 3 for the brains, at least 72 for the heads.
BORDER_CM2 = 20.0
# Deviation from the mean of the six neighbours inside, relative to the spread of the values: 0.33 to 0.82 for the
# brains, 0.20 to 0.34 if they are blurred by 2 mm (standard deviation), 0.10 to 0.17 by 4 mm, and 1.08 for noise.
STRUCTURE = (0.15, 1.0)


@dataclass(frozen=True)
class Anatomy:
    """What an image shows.

    Attributes:
        volume_ml: the bright object with everything it encloses, mL.
        border_cm2: its largest area on one of the six faces of the image, cm2.
        structure: deviation from the mean of the neighbours inside, relative to the spread.
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


def examine(image: Image) -> Anatomy:
    """Measure what an image shows, on a grid of about 4 mm; about 0.1 s per million voxels."""
    values, edges = _coarse(image)
    bright = float(np.quantile(values[values > 0], 0.99)) if (values > 0).any() else 0.0
    object_ = values > _FRACTION * bright
    hull = np.ones_like(object_)
    for axis in range(3):
        for direction in (1, -1):
            seen = np.maximum.accumulate(np.flip(object_, axis) if direction < 0 else object_, axis)
            hull &= np.flip(seen, axis) if direction < 0 else seen
    border = 0.0
    for axis in range(3):
        area = float(np.prod(np.delete(edges, axis))) / 100
        border = max(border, *(float(object_.take(end, axis).sum()) * area for end in (0, -1)))
    return Anatomy(float(hull.sum() * np.prod(edges)) / 1000, border, _structure(values, hull))


def _coarse(image: Image) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Means over blocks of voxels of about 4 mm, and the edges of the blocks, mm."""
    voxel = nib.affines.voxel_sizes(image.affine)
    factor = np.clip(np.rint(_GRID_MM / voxel).astype(int), 1, image.voxels.shape)
    number = np.array(image.voxels.shape) // factor
    whole = image.voxels[tuple(slice(n * f) for n, f in zip(number, factor, strict=True))]
    blocks = whole.reshape([n for pair in zip(number, factor, strict=True) for n in pair])
    return blocks.mean((1, 3, 5), dtype=np.float32), voxel * factor


def _structure(values: NDArray[np.float32], hull: NDArray[np.bool_]) -> float:
    """0 if nothing lies below the surface."""
    if min(values.shape) < 3:
        return 0.0
    middle = (slice(1, -1),) * 3
    neighbours = []
    inside = hull[middle].copy()
    for axis in range(3):
        for shift in (slice(None, -2), slice(2, None)):
            where = (*middle[:axis], shift, *middle[axis + 1 :])
            neighbours.append(values[where])
            inside &= hull[where]
    spread = float(values[middle][inside].std()) if inside.any() else 0.0
    if spread == 0:
        return 0.0
    return float((values[middle] - sum(neighbours) / 6)[inside].std()) / spread
