"""One subject's tissue fractions: the atlas deformed until it has the requested volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brain_bundles.data.covariates import Covariates
from brain_bundles.phantom.atlas import FIELD_STEP, Atlas, load_atlas
from brain_bundles.phantom.deformation import flow, random_field, sample_at
from brain_bundles.utils.seeding import generator_for

# Random shape: (distance of the spline knots, standard deviation), both mm. From lobes down to single gyri.
SHAPE_SCALES_MM = ((48.0, 3.0), (24.0, 1.6), (12.0, 0.7))
ASPECT_STD = 0.025  # relative change of one axis against the others
ROTATION_STD_DEG = 2.0  # left over after rigid alignment

# Recession of the outer face of the cortex, in mm of the template. Its brain is larger than any in the population.
THINNING_AT_40_MM = 0.30
THINNING_PER_YEAR_MM = 0.012
THINNING_STD_MM = 0.08

MAX_ITERATIONS = 20
VOLUME_TOLERANCE = 0.004  # relative; the promise is 0.02
# Start of the search: widening (mm) for each log ratio of ventricular to brain volume, measured on the template.
LOG_RATIOS = (-5.60, -4.67, -4.27, -3.67, -2.91, -2.36, -1.97)
WIDENINGS_MM = (-2.35, 0.0, 1.2, 3.3, 6.8, 12.4, 15.5)
WIDENING_RANGE_MM = (-6.0, 22.0)
MIN_BRACKET_MM = 1e-3
TEMPLATE_BRAIN_VOLUME = 1580.0  # mL of grey and white matter at scale 1 after the thinning of middle age


@dataclass(frozen=True)
class Anatomy:
    """Tissue fractions of one subject on its grid.

    Attributes:
        grey_matter, white_matter, lateral_ventricles, csf: (D, H, W) fractions in [0, 1]; csf excludes the lateral
            ventricles. Their sum is the intracranial fraction.
        ventricle_distance: (D, H, W) distance outside the lateral ventricles, mm in the template's scale.
        spacing: voxel size in mm.
    """

    grey_matter: torch.Tensor
    white_matter: torch.Tensor
    lateral_ventricles: torch.Tensor
    csf: torch.Tensor
    ventricle_distance: torch.Tensor
    spacing: float

    @property
    def intracranial(self) -> torch.Tensor:
        """Fraction of everything inside the skull, (D, H, W)."""
        return self.grey_matter + self.white_matter + self.lateral_ventricles + self.csf

    @property
    def ventricular_volume(self) -> float:
        """Volume of the lateral ventricles, mL."""
        return float(self.lateral_ventricles.double().sum()) * self.spacing**3 / 1000.0

    @property
    def brain_volume(self) -> float:
        """Volume of grey and white matter, mL."""
        return float((self.grey_matter.double() + self.white_matter.double()).sum()) * self.spacing**3 / 1000.0


def _grid_points(spatial_size: Sequence[int], spacing: float) -> torch.Tensor:
    """Voxel positions (D, H, W, 3), mm from the centre of the grid."""
    axes = [(torch.arange(size, dtype=torch.float32) - (size - 1) / 2) * spacing for size in spatial_size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _rotation(degrees: torch.Tensor) -> torch.Tensor:
    """Rotation matrix (3, 3) for three angles about the three axes."""
    cross = torch.zeros(3, 3)
    x, y, z = torch.deg2rad(degrees).tolist()
    cross[0, 1], cross[0, 2], cross[1, 2] = -z, y, -x
    return torch.matrix_exp(cross - cross.T)


class _Subject:
    """The random part of a subject's shape, and its rendering for a given scale and ventricular widening."""

    def __init__(self, age: float, seed: int, spatial_size: Sequence[int], spacing: float) -> None:
        generator = generator_for(seed, "shape")
        self.atlas: Atlas = load_atlas(spacing)
        self.spacing = spacing
        aspect = torch.exp(ASPECT_STD * torch.randn(3, generator=generator))
        rotation = _rotation(ROTATION_STD_DEG * torch.randn(3, generator=generator))
        self.points = _grid_points(spatial_size, spacing) @ (rotation / aspect)
        fields = [
            std * random_field(spatial_size, channels=3, spacing=spacing, knot_spacing=knots, generator=generator)
            for knots, std in SHAPE_SCALES_MM
        ]
        self.shift = torch.stack(fields).sum(0).movedim(0, -1)
        thinning = THINNING_AT_40_MM + THINNING_PER_YEAR_MM * (age - 40.0)
        self.thinning = max(0.0, thinning + THINNING_STD_MM * float(torch.randn((), generator=generator)))

    def render(self, scale: float, widening: float) -> Anatomy:
        atlas = self.atlas
        points = atlas.centre + self.points / scale + self.shift
        points = flow(points, atlas.ventricle_velocity, widening, step=FIELD_STEP)
        intracranial = sample_at(atlas.tissue[3:], points)[0]
        # The skull stays where it is when the cortex recedes: the gap fills with CSF.
        points = flow(points, atlas.cortex_velocity, self.thinning, step=FIELD_STEP)
        grey, white, ventricles = sample_at(atlas.tissue[:3], points)
        csf = (intracranial - grey - white - ventricles).clamp(min=0.0)
        distance = sample_at(atlas.ventricle_distance, points, step=FIELD_STEP)[0]
        return Anatomy(grey, white, ventricles, csf, distance, self.spacing)


def render_anatomy(covariates: Covariates, *, seed: int, spatial_size: Sequence[int], spacing: float) -> Anatomy:
    """The brain of one subject with the requested ventricular and brain volume.

    Scaling changes both volumes by nearly the same factor. So the widening sets their ratio, and the scale their size.
    A secant search on the rendered fractions finds both together.

    Args:
        covariates: age (years), sex, volumes (mL). Age widens the sulci.
        seed: seed of the subject's shape.
        spatial_size: (D, H, W) of the grid, RAS.
        spacing: voxel size in mm.

    Raises:
        ValueError: if the requested volumes cannot be reached, for example because the grid is smaller than the brain.
    """
    subject = _Subject(covariates.age, seed, spatial_size, spacing)
    target_ratio = math.log(covariates.ventricular_volume / covariates.brain_volume)
    lower, upper = WIDENING_RANGE_MM
    widening = float(np.interp(target_ratio, LOG_RATIOS, WIDENINGS_MM))
    scale = (covariates.brain_volume / TEMPLATE_BRAIN_VOLUME) ** (1 / 3)
    slope = 0.25  # of the log ratio, per mm; the secant takes over from the second step
    previous: tuple[float, float] | None = None
    for _ in range(MAX_ITERATIONS):
        anatomy = subject.render(scale, widening)
        ventricles, brain = anatomy.ventricular_volume, anatomy.brain_volume
        if (
            max(abs(ventricles / covariates.ventricular_volume - 1), abs(brain / covariates.brain_volume - 1))
            < VOLUME_TOLERANCE
        ):
            return anatomy
        ratio = math.log(max(ventricles, 1e-3) / max(brain, 1e-3))
        if ratio < target_ratio:
            lower = max(lower, widening)
        else:
            upper = min(upper, widening)
        if previous is not None and abs(widening - previous[0]) > 1e-6:
            slope = max((ratio - previous[1]) / (widening - previous[0]), 0.02)
        previous = (widening, ratio)
        if upper - lower < MIN_BRACKET_MM:  # the opposite bound comes from another scale: reset it
            lower, upper = (lower, WIDENING_RANGE_MM[1]) if ratio < target_ratio else (WIDENING_RANGE_MM[0], upper)
        proposal = widening + (target_ratio - ratio) / slope
        widening = proposal if lower < proposal < upper else (lower + upper) / 2
        scale *= (covariates.brain_volume / max(brain, 1e-3)) ** (1 / 3)
    raise ValueError(
        f"ventricular volume {covariates.ventricular_volume:.1f} mL with brain volume {covariates.brain_volume:.0f} mL "
        f"cannot be rendered on a grid of {tuple(spatial_size)} voxels of {spacing} mm "
        f"(reached {ventricles:.1f} and {brain:.0f} mL); use a larger grid or volumes nearer to the population's."
    )
