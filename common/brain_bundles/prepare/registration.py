"""Rigid registration of two images of one head, of any contrasts (SimpleITK)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brain_bundles.prepare.extra import from_prepare_extra
from brain_bundles.prepare.volume import Volume, to_lps, to_sitk

sitk = from_prepare_extra("SimpleITK")

# Voxel sizes of the levels, mm: the coarse one finds the place, the fine ones settle it.
LEVELS_MM = (4.0, 2.0, 1.2)
_BINS = 32
_ITERATIONS = 150
_MAX_VOXELS = 250_000  # compared at a level; more gain nothing
# Further starts: rotations about the axis from left to right, degrees, and shifts from bottom to top, mm.
_NODS, _SHIFTS_MM, _NODDED_STARTS = (-25.0, 0.0, 25.0), (-60.0, -30.0, 0.0, 30.0, 60.0), 3


@dataclass(frozen=True)
class Registration:
    """A rigid transform between two images.

    Attributes:
        matrix: (4, 4), RAS+ mm of the fixed image to RAS+ mm of the moving one.
        mutual_information: of the images within the mask, as they lay and as registered, nats.
    """

    matrix: NDArray[np.float64]
    mutual_information: tuple[float, float]


def register(fixed: Volume, moving: Volume, mask: NDArray[np.bool_]) -> Registration:
    """Find the rigid transform with the largest mutual information (Mattes) within ``mask``.

    It starts at the place in the scanner, with the centres of the fields of view on each other, and with the centres of
    mass on each other; also from the best of these after a nod and a shift along the body, as a neck in one image alone
    moves its centres. It goes on from the best. The same images give the same transform.

    Args:
        fixed: the image that stays.
        moving: the image that is moved.
        mask: (D, H, W) of the fixed image, what is compared: the brain with a margin, as jaw and neck move.
    """
    images = (to_sitk(fixed), to_sitk(moving))
    region = sitk.Cast(to_sitk(fixed.with_data(mask)), sitk.sitkUInt8)
    finest = max(LEVELS_MM[-1], float(min(fixed.spacing.min(), moving.spacing.min())))
    starts: list[Any] = []
    for spacing in [*(mm for mm in LEVELS_MM if mm > 1.3 * finest), finest]:
        still, moved = (_at_level(image, spacing) for image in images)
        where = sitk.Resample(region, still, sitk.Transform(), sitk.sitkNearestNeighbor)
        starts = starts or _first_starts(still, moved, where)
        value, best = min((_optimise(still, moved, where, start) for start in starts), key=lambda pair: pair[0])
        starts = [best]
    unmoved = _starts(*images)[0]
    before = _metric(still, moved, where, unmoved)
    if before < value:  # a coarse level led away from the place in the scanner
        value, best = min((_optimise(still, moved, where, unmoved), (before, unmoved)), key=lambda pair: pair[0])
    return Registration(to_lps(_matrix(best)), (-before, -value))


def displacement(matrix: NDArray[np.float64], mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    """Mean distance by which a transform of RAS+ mm moves the voxels of a mask, mm."""
    points = np.argwhere(mask)[::7]
    world = points @ affine[:3, :3].T + affine[:3, 3]
    return float(np.linalg.norm(world @ (matrix[:3, :3] - np.eye(3)).T + matrix[:3, 3], axis=1).mean())


def _at_level(image: Any, spacing: float) -> Any:
    """The image smoothed to voxels of ``spacing``, and sampled there along the axes that are finer."""
    own = np.array(image.GetSpacing())
    target = np.maximum(own, spacing)
    sigma = np.sqrt(np.maximum(target**2 - own**2, 0) / 12 + 1e-8)  # of a box of the new voxel
    smooth = (
        sitk.SmoothingRecursiveGaussian(image, np.maximum(sigma, 1e-3 * own).tolist()) if spacing > own.min() else image
    )
    size = np.maximum(np.ceil(np.array(image.GetSize()) * own / target), 1).astype(int)
    grid = sitk.Image(size.tolist(), sitk.sitkFloat32)
    grid.SetSpacing(target.tolist())
    grid.SetDirection(image.GetDirection())
    shift = np.array(image.GetDirection()).reshape(3, 3) @ ((target - own) / 2)
    grid.SetOrigin((np.array(image.GetOrigin()) + shift).tolist())
    return sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear)


def _starts(fixed: Any, moving: Any) -> list[Any]:
    starts = [sitk.Euler3DTransform()]
    for how in (sitk.CenteredTransformInitializerFilter.GEOMETRY, sitk.CenteredTransformInitializerFilter.MOMENTS):
        found = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), how)
        starts.append(sitk.Euler3DTransform(found))
    # Rotations turn about the middle of the head, so that they are independent of the shifts.
    centre = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    for start in starts:
        moved = np.array(start.TransformPoint(centre)) - np.array(centre)
        start.SetCenter(centre)
        start.SetTranslation(moved.tolist())
    return starts


def _first_starts(fixed: Any, moving: Any, where: Any) -> list[Any]:
    """The plain starts, and the best of those that are nodded and shifted."""
    plain = _starts(fixed, moving)
    more = []
    for start in plain:
        for degrees in _NODS:
            for shift in _SHIFTS_MM:
                nodded = sitk.Euler3DTransform(start)
                nodded.SetRotation(np.radians(degrees), 0.0, 0.0)
                x, y, z = start.GetTranslation()
                nodded.SetTranslation((x, y, z + shift))
                more.append(nodded)
    ranked = sorted((_metric(fixed, moving, where, start), number) for number, start in enumerate(more))
    return plain + [more[number] for _, number in ranked[:_NODDED_STARTS]]


def _method(fixed: Any, where: Any) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(where)
    inside = int(sitk.GetArrayViewFromImage(where).sum())
    if inside > _MAX_VOXELS:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(_MAX_VOXELS / inside, 1)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _metric(fixed: Any, moving: Any, where: Any, transform: Any) -> float:
    method = _method(fixed, where)
    method.SetInitialTransform(transform)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # the images do not meet
        return 0.0


def _optimise(fixed: Any, moving: Any, where: Any, start: Any) -> tuple[float, Any]:
    method = _method(fixed, where)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=float(fixed.GetSpacing()[0]), minStep=0.005, numberOfIterations=_ITERATIONS, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    transform = sitk.Euler3DTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # the images do not meet at this start
        return 0.0, sitk.Euler3DTransform(start)
    return float(method.GetMetricValue()), transform


def _matrix(transform: Any) -> NDArray[np.float64]:
    rotation = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = shift + centre - rotation @ centre
    return matrix
