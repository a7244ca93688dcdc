"""Affine alignment of an atlas of the lateral ventricles to a brain.

Arrays are (D, H, W) in RAS order. SciPy comes with the extra ``phantom``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from brain_bundles.metrics.tissue import UnmeasurableError

# Correlation of the tissue inside, blurred by one voxel: 0.43 and more for phantoms and for adults up to 96 years and
# 124 mL; 0.28 for a brain turned front to back, 0.1 for one upside down or on its side, 0.05 for noise.
_MIN_CORRELATION = 0.35


@dataclass(frozen=True)
class VentricleAtlas:
    """Maps on one grid of isotropic voxels, each in [0, 1] and (D, H, W).

    Attributes:
        ventricles: the cores of the lateral ventricles, inferior horns included.
        other_csf: the third and fourth ventricle, cisterns and sulci.
        tissue: grey plus white matter.
        spacing: voxel edge, mm.
    """

    ventricles: np.ndarray
    other_csf: np.ndarray
    tissue: np.ndarray
    spacing: float


def _moments(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid and standard deviation along each axis, voxels."""
    centre, spread = np.empty(3), np.empty(3)
    for axis in range(3):
        profile = weight.sum(tuple(a for a in range(3) if a != axis), dtype=np.float64)
        position = np.arange(profile.size)
        centre[axis] = (profile * position).sum() / profile.sum()
        spread[axis] = np.sqrt((profile * (position - centre[axis]) ** 2).sum() / profile.sum())
    return centre, spread


def _halved(image: np.ndarray) -> np.ndarray:
    """Means over blocks of 2 voxels; an odd last slice is dropped."""
    d, h, w = (n // 2 for n in image.shape)
    return image[: 2 * d, : 2 * h, : 2 * w].reshape(d, 2, h, 2, w, 2).mean((1, 3, 5))


def align_atlas(tissue: np.ndarray, atlas: VentricleAtlas) -> np.ndarray:
    """Affine map from the atlas's voxels to the voxels of a tissue map of the same spacing.

    Centroid and extent give the start. Gauss-Newton then minimises the squared difference of the blurred maps at 4 mm
    over twelve parameters. The contrast of the image has no influence.

    Args:
        tissue: (D, H, W) share of grey plus white matter, at the atlas's spacing.
        atlas: the prior.

    Returns:
        (4, 4) float64.

    Raises:
        UnmeasurableError: if the fit diverges. Its quality is checked by :func:`check_alignment`.
    """
    moving, fixed = _halved(tissue), _halved(atlas.tissue)
    (fixed_centre, fixed_spread), (centre, spread) = _moments(fixed), _moments(moving)
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(spread / fixed_spread)
    matrix[:3, 3] = centre - matrix[:3, :3] @ fixed_centre
    for sigma in (2.5, 1.25):  # voxels of 4 mm
        template, image = ndimage.gaussian_filter(fixed, sigma), ndimage.gaussian_filter(moving, sigma)
        slopes = np.gradient(image)
        points = np.argwhere(template > 0.05)[::3]
        target = template[tuple(points.T)]
        mean, scale = points.mean(0), points.std(0)
        unit = np.c_[(points - mean) / scale, np.ones(len(points))]
        homogeneous = np.c_[points, np.ones(len(points))]
        for _ in range(10):
            where = (matrix @ homogeneous.T)[:3]
            values = ndimage.map_coordinates(image, where, order=1)
            slope = np.stack([ndimage.map_coordinates(s, where, order=1) for s in slopes], 1)
            jacobian = (slope[:, :, None] * unit[:, None, :]).reshape(len(points), 12)
            normal = jacobian.T @ jacobian
            damped = normal + 1e-3 * np.trace(normal) / 12 * np.eye(12)
            step = np.linalg.solve(damped, jacobian.T @ (target - values)).reshape(3, 4)
            matrix[:3, :3] += step[:, :3] / scale
            matrix[:3, 3] += step[:, 3] - (step[:, :3] / scale) @ mean
    if not np.isfinite(matrix).all() or not 0.1 < np.linalg.det(matrix[:3, :3]) < 10:
        raise UnmeasurableError("it does not look like an upright (RAS) brain: the atlas cannot be aligned to it")
    # Voxel centres at half resolution sit at 2 i + 1/2 of the full one.
    full = np.diag([2.0, 2.0, 2.0, 1.0])
    full[:3, 3] = 0.5
    return full @ matrix @ np.linalg.inv(full)


def warp(values: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resample a map of the atlas linearly to an image grid of ``shape``; ``matrix`` from :func:`align_atlas`."""
    inverse = np.linalg.inv(matrix)
    return ndimage.affine_transform(values, inverse[:3, :3], inverse[:3, 3], output_shape=shape, order=1)


def check_alignment(tissue: np.ndarray, mask: np.ndarray, warped: np.ndarray) -> None:
    """Reject volumes that are not an upright brain: the atlas fits their outline, but nothing inside.

    Args:
        tissue: (D, H, W) share of grey plus white matter.
        mask: boolean (D, H, W), the brain.
        warped: (D, H, W) the atlas's tissue, resampled to the same grid.

    Raises:
        UnmeasurableError: if the two maps do not correlate in the part more than 4 mm below the surface.
    """
    deep = ndimage.binary_erosion(mask, iterations=2)
    found, expected = (ndimage.gaussian_filter(values, 1.0)[deep] for values in (tissue, warped))
    constant = not (found.std() > 0 and expected.std() > 0)
    correlation = 0.0 if constant else float(np.corrcoef(found, expected)[0, 1])
    if not correlation > _MIN_CORRELATION:
        raise UnmeasurableError(
            f"it does not look like an upright (RAS) brain: its tissue correlates {correlation:.2f} with the atlas, "
            f"expected more than {_MIN_CORRELATION}"
        )
