"""Resampling to a grid: once per image, through the composed transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from brain_bundles.prepare.extra import from_prepare_extra
from brain_bundles.prepare.volume import Volume, from_sitk, to_lps, to_sitk

sitk = from_prepare_extra("SimpleITK")


def make_grid(source: Volume, matrix: NDArray[np.float64], axes: NDArray[np.float64], spacing: float) -> Volume:
    """An empty volume with voxels of ``spacing`` that holds the field of view of ``source``.

    Args:
        source: image whose field of view is covered.
        matrix: (4, 4), RAS+ mm of ``source`` to RAS+ mm of the result.
        axes: (3, 3) rotation, directions of the result's axes in its world.
        spacing: voxel size, mm.
    """
    shape = np.array(source.data.shape)
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in shape), indexing="ij")).reshape(3, -1).T
    to_world = matrix @ source.affine
    along = (corners @ to_world[:3, :3].T + to_world[:3, 3]) @ axes
    low, high = along.min(0), along.max(0)
    size = np.maximum(np.ceil((high - low) / spacing - 1e-3), 1).astype(int)
    middle = (low + high) / 2
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = axes @ (middle - (size - 1) * spacing / 2)
    return Volume(np.zeros(size, np.float32), affine)


def resample(volume: Volume, grid: Volume, matrix: NDArray[np.float64], *, smooth: bool = True) -> Volume:
    """The volume on the grid, 0 outside of its field of view.

    Cubic splines keep the sharpness; values stay within the source's range. Along axes whose voxels become larger the
    volume is smoothed first.

    Args:
        volume: source.
        grid: its shape and affine are those of the result.
        matrix: (4, 4), RAS+ mm of the grid to RAS+ mm of the source.
        smooth: False for a mask: linear interpolation, no smoothing.
    """
    image = to_sitk(volume)
    transform = affine_transform(matrix)
    if not smooth:
        return from_sitk(sitk.Resample(image, to_sitk(grid), transform, sitk.sitkLinear, 0.0))
    # Voxel size of the grid along the axes of the source.
    steps = np.abs(np.linalg.inv(volume.affine[:3, :3] / volume.spacing) @ matrix[:3, :3] @ grid.affine[:3, :3]).max(1)
    sigma = np.sqrt(np.maximum(steps**2 - volume.spacing**2, 0) / 12)
    if (sigma > 0.1 * volume.spacing).any():
        image = sitk.SmoothingRecursiveGaussian(image, np.maximum(sigma, 1e-3 * volume.spacing).tolist())
    made = from_sitk(sitk.Resample(image, to_sitk(grid), transform, sitk.sitkBSpline, 0.0))
    return grid.with_data(np.clip(made.data, min(float(volume.data.min()), 0.0), float(volume.data.max())))


def affine_transform(matrix: NDArray[np.float64]) -> Any:
    """SimpleITK's transform of a (4, 4) matrix of RAS+ mm."""
    lps = to_lps(matrix)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    return transform
