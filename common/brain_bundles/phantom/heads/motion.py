"""The random part of a person's shape: a rotation, the proportions of the axes, and a flow that moves every gyrus."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.atlas import MOTION_STEP, STEP, HeadAtlas
from brain_bundles.phantom.heads.mass import Mass
from brain_bundles.phantom.heads.sampling import sample
from brain_bundles.utils.seeding import generator_for

ASPECT_STD = 0.03  # relative change of one axis against the others
ROTATION_STD_DEG = 2.5  # left over after rigid alignment
# Distance of the knots and standard deviation of the velocity, both mm: lobes, gyri, folds of a gyrus. The flow slides
# along the skull and the middle plane, which keep their shape; the shape of heads varies by a field of its own.
# Twice as much makes two heads of one map more unlike, but shears gyri into combs and makes heads lopsided.
SCALES_MM = ((50.0, 1.6), (25.0, 3.1), (14.0, 3.0))
HEAD_SCALE_MM = (90.0, 1.5)
DOUBLINGS = 5  # the flow is integrated in 2^5 steps
WALL_MM = 8.0  # farther than this from the skull and the middle plane the flow is free
DEEP_MM = (22.0, 4.0)  # deeper in the head than this, give or take, it fades: stem and ventricles are alike in people
DEEP_SHARE = 0.35


def incompressible_flow(
    shape: Sequence[int], *, spacing: float, weight: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Displacement (3, D, H, W) in mm of a random motion that neither folds nor swells.

    The velocity is the curl of a random potential, so that cortex keeps its thickness where gyri move. It is integrated
    by scaling and squaring (Arsigny et al. 2006, MICCAI).

    Args:
        shape: (D, H, W) of the grid.
        spacing: its voxel size, mm.
        weight: (D, H, W) factor of the potential.
        generator: randomness.
    """
    velocity = torch.zeros((3, *shape))
    for knots, std, factor in [(*HEAD_SCALE_MM, torch.ones_like(weight)), *((*pair, weight) for pair in SCALES_MM)]:
        potential = factor * random_field(shape, channels=3, spacing=spacing, knot_spacing=knots, generator=generator)
        x, y, z = potential
        derivative = [torch.gradient(part, spacing=spacing) for part in (x, y, z)]  # [component][axis]
        curl = torch.stack(
            (
                derivative[2][1] - derivative[1][2],
                derivative[0][2] - derivative[2][0],
                derivative[1][0] - derivative[0][1],
            )
        )
        velocity += std * curl / curl[:, factor > 0].std().clamp(min=1e-6)
    axes = [torch.arange(size, dtype=torch.float32) for size in shape]
    start = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    shift = velocity / 2**DOUBLINGS
    for _ in range(DOUBLINGS):
        shift = shift + sample(shift, start + shift.movedim(0, -1) / spacing)
    return shift


def rotation(degrees: torch.Tensor) -> torch.Tensor:
    """Rotation matrix (3, 3) for three angles about the three axes."""
    cross = torch.zeros(3, 3)
    x, y, z = torch.deg2rad(degrees).tolist()
    cross[0, 1], cross[0, 2], cross[1, 2] = -z, y, -x
    return torch.matrix_exp(cross - cross.T)


class Motion:
    """Where each point of one person lies in the map, up to its scale and the width of its ventricles.

    Args:
        atlas: the map.
        seed: seed of the subject.
        mirrored: True for the mirror image.
        mass: a tumour that pushes its surroundings away, or None.
        turn: (3,) further rotation of the head about its axes, degrees; None for none.
    """

    def __init__(
        self,
        atlas: HeadAtlas,
        *,
        seed: int,
        mirrored: bool,
        mass: Mass | None = None,
        turn: torch.Tensor | None = None,
    ) -> None:
        generator = generator_for(seed, "shape")
        self.mass = mass
        self.atlas, self.mirrored = atlas, mirrored
        aspect = torch.exp(ASPECT_STD * torch.randn(3, generator=generator))
        aspect = aspect / aspect.prod() ** (1 / 3)
        matrix = rotation(ROTATION_STD_DEG * torch.randn(3, generator=generator)) / aspect
        if mirrored:
            matrix = torch.diag(torch.tensor([-1.0, 1.0, 1.0])) @ matrix
        if turn is not None:
            matrix = rotation(turn) @ matrix
        self.matrix = matrix @ atlas.frame
        shape = atlas.widening.shape[2:]
        skull, middle = F.interpolate(atlas.smooth[None, [0, 4]], size=shape, mode="trilinear", align_corners=True)[0]
        depth = (-skull).clamp(min=0.0)
        deep = torch.sigmoid((depth - DEEP_MM[0]) / DEEP_MM[1])
        weight = torch.tanh(depth / WALL_MM) * torch.tanh(middle.abs() / WALL_MM) * (1.0 - (1.0 - DEEP_SHARE) * deep)
        self.shift = incompressible_flow(shape, spacing=MOTION_STEP, weight=weight, generator=generator)

    def shaped(self, points: torch.Tensor) -> torch.Tensor:
        """Voxels of the map for points (..., 3) in mm from the centre of the head, before any widening."""
        points = self.atlas.centre + points @ self.matrix
        return points + sample(self.shift, points, step=MOTION_STEP).movedim(0, -1)

    def on_grid(
        self, spatial_size: Sequence[int], spacing: float, *, scale: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map voxels (D, H, W, 3) of a grid around the centre of the head, and their distance (D, H, W) to the skull.

        The motion is smooth: it is computed on a coarse grid. Nothing is widened yet.

        Args:
            spatial_size: (D, H, W) of the grid.
            spacing: its voxel size, mm.
            scale: size of the head relative to the map.
        """
        factor = max(1, round(MOTION_STEP / spacing))
        coarse_size = [math.ceil((size - 1) / factor) + 1 for size in spatial_size]
        first = -(torch.tensor(spatial_size, dtype=torch.float32) - 1) / 2 * spacing
        axes = [start + torch.arange(size) * factor * spacing for start, size in zip(first, coarse_size, strict=True)]
        coarse = self.shaped(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) / scale)
        skull = sample(self.atlas.smooth[:2], coarse, step=STEP).amin(0)
        size = [(n - 1) * factor + 1 for n in coarse_size]
        both = torch.cat([coarse.movedim(-1, 0), skull[None]])
        fine = F.interpolate(both[None], size=size, mode="trilinear", align_corners=True)[0]
        fine = fine[:, : spatial_size[0], : spatial_size[1], : spatial_size[2]]
        return fine[:3].movedim(0, -1), fine[3]

    def widened(self, points: torch.Tensor, widening: float) -> torch.Tensor:
        """The same after the mass grew and the ventricles widened by ``widening`` steps of ``WIDENING_STEP_MM``."""
        if self.mass is not None:
            points = self.mass.displaced(points, sample(self.mass.skull, points, step=STEP)[0])
        middle = self.atlas.widening.shape[0] // 2
        position = min(max(widening + middle, 0.0), 2.0 * middle - 1e-4)
        low, part = int(position), position - int(position)
        shift = torch.lerp(self.atlas.widening[low], self.atlas.widening[low + 1], part)
        return points + sample(shift, points, step=MOTION_STEP).movedim(0, -1)
