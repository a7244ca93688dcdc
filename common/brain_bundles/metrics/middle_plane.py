"""The plane between the two halves of a brain, from a segmentation without sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

MIN_RATIO = 0.35  # the smaller of the two largest pieces of a structure to the larger one; below, a side is missing
MIN_VOXELS = 20
SPREAD_MM = 30.0  # the directions of the pairs weigh as if their midpoints were this far apart


@dataclass(frozen=True)
class MiddlePlane:
    """Points x with ``normal @ x == offset``; the right side has larger values.

    Attributes:
        normal: (3,) unit vector that points to the right, RAS+.
        offset: mm.
        pairs: number of structures that were found on both sides.
    """

    normal: NDArray[np.float64]
    offset: float
    pairs: int

    def is_right(self, points: ArrayLike) -> NDArray[np.bool_]:
        """True for points (..., 3) in RAS+ mm on the right side."""
        return np.asarray(points) @ self.normal > self.offset

    def right_of_grid(self, shape: Sequence[int], affine: ArrayLike) -> NDArray[np.bool_]:
        """True for the voxels (D, H, W) on the right side; (4, 4) affine from voxels to RAS+ mm."""
        matrix = np.asarray(affine, dtype=np.float64)
        steps, start = self.normal @ matrix[:3, :3], self.normal @ matrix[:3, 3]
        axes = np.ogrid[tuple(slice(n) for n in shape)]
        return sum(step * axis for step, axis in zip(steps, axes, strict=True)) + start > self.offset


def fit_middle_plane(
    indices: NDArray[np.integer], affine: ArrayLike, *, paired: Sequence[int], midline: Sequence[int]
) -> MiddlePlane:
    """The plane that halves the pairs of structures and the structures of the midline, by least squares.

    Of each paired structure the two largest pieces are taken, if both sides are there and apart. The plane minimises
    the squared distances of the midpoints between them, and of the centres of the structures on the midline, less the
    squared share of its normal in the directions from left to right, as if each were two points ``SPREAD_MM`` apart.
    Heads lie in RAS within 45 degrees, which tells right from left.

    Args:
        indices: (D, H, W) index of the class in each voxel.
        affine: (4, 4), voxel indices to RAS+ mm.
        paired: classes that there are on both sides.
        midline: classes that the plane halves.

    Returns:
        The plane. Without any pair it is the sagittal plane through the centre of all classes, and ``pairs`` is 0.

    Raises:
        ValueError: if no voxel has a class.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    places = ndimage.find_objects(indices)
    middles, directions = [], []
    for index in paired:
        ends = _two_sides(indices, index, places, matrix)
        if ends is not None:
            left, right = sorted(ends, key=lambda point: point[0])
            middles.append((left + right) / 2)
            directions.append((right - left) / np.linalg.norm(right - left))
    for index in midline:
        if index <= len(places) and (place := places[index - 1]) is not None:
            middles.append(_centre(indices[place] == index, place, matrix))
    if not directions:
        inside = np.argwhere(indices > 0)
        if not len(inside):
            raise ValueError("no voxel has a class, so there is no middle plane.")
        centre = matrix[:3, :3] @ inside.mean(0) + matrix[:3, 3]
        return MiddlePlane(np.array([1.0, 0.0, 0.0]), float(centre[0]), 0)
    points, ways = np.array(middles), np.array(directions)
    apart = points - points.mean(0)
    _, vectors = np.linalg.eigh(apart.T @ apart - SPREAD_MM**2 * ways.T @ ways)
    normal = vectors[:, 0] * np.sign(vectors[:, 0] @ ways.mean(0))
    return MiddlePlane(normal, float(np.median(points @ normal)), len(ways))


def _two_sides(
    indices: NDArray[np.integer], index: int, places: Sequence[tuple[slice, ...] | None], matrix: NDArray[np.float64]
) -> list[NDArray[np.float64]] | None:
    """Centres of the two largest pieces of a structure, mm; None unless both are there."""
    if index > len(places) or (place := places[index - 1]) is None:
        return None
    pieces, count = ndimage.label(indices[place] == index)
    if count < 2:
        return None
    sizes = np.bincount(pieces.ravel())[1:]
    larger, smaller = np.argsort(sizes)[::-1][:2]
    if sizes[smaller] < max(MIN_VOXELS, MIN_RATIO * sizes[larger]):
        return None
    return [_centre(pieces == 1 + piece, place, matrix) for piece in (larger, smaller)]


def _centre(mask: NDArray[np.bool_], place: tuple[slice, ...], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    voxel = np.array([float(np.mean(axis)) for axis in mask.nonzero()]) + [one.start for one in place]
    return matrix[:3, :3] @ voxel + matrix[:3, 3]
