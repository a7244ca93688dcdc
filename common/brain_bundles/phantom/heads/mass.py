"""A mass that pushes its surroundings away: where it lies, how large it is, and what moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.atlas import MOTION_STEP, STEP, HeadAtlas
from brain_bundles.phantom.heads.sampling import sample
from brain_bundles.phantom.heads.structures import CODE
from brain_bundles.utils.seeding import generator_for

RADIUS_MM = (11.0, 24.0)
RIM_MM = (2.0, 4.0)
OEDEMA_REACH_MM = (4.0, 16.0)
PUSHED = (0.15, 0.6)  # part of the mass that displaced its surroundings; the rest has replaced them
ROUGHNESS = (0.25, 0.16)  # relative variation of the radius, at two scales
ROUGH_KNOTS_MM = (18.0, 8.0)
LEAST_DEPTH_MM = 14.0  # of the centre, below the skull
CORTEX_GAP_MM = 2.0
VENTRICLE_GAP_MM = 6.0  # between the centre and the ventricles
SKULL_FADE_MM = 12.0  # the skull stays where it is


@dataclass(frozen=True)
class Mass:
    """A mass in the coordinates of a map.

    Attributes:
        centre: (3,) voxel of the map.
        radius: mm.
        pushed: part of its volume that displaced tissue.
        rim, reach: thickness of its enhancing rim, and reach of the oedema, mm.
        rough: (3, D/4, H/4, W/4) variation of the radius, of the inner border and of the oedema.
        skull: (1, D/2, H/2, W/2) distance to the skull.
    """

    centre: torch.Tensor
    radius: float
    pushed: float
    rim: float
    reach: float
    rough: torch.Tensor
    skull: torch.Tensor

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """Millimetres from the centre, for points (..., 3) before :meth:`displaced`."""
        return (points - self.centre).norm(dim=-1)

    def displaced(self, points: torch.Tensor, skull: torch.Tensor) -> torch.Tensor:
        """Where points (..., 3) lay before the mass grew: nearer to its centre, as in an incompressible medium.

        Args:
            points: voxels of the map.
            skull: (...) distance of each point to the skull, negative inside.
        """
        offset = points - self.centre
        distance = offset.norm(dim=-1, keepdim=True).clamp(min=1e-3)
        outer = (distance**3 - self.pushed * self.radius**3).clamp(min=0.0) ** (1 / 3)
        inner = distance * (1.0 - self.pushed) ** (1 / 3)
        before = torch.where(distance > self.radius, outer, inner)
        fade = torch.tanh((-skull).clamp(min=0.0) / SKULL_FADE_MM)[..., None]
        return points + offset * (before / distance - 1.0) * fade

    def borders(self, points: torch.Tensor) -> torch.Tensor:
        """Distances (3, ...) in mm of the map to the border of the mass, to its core, and to the end of its oedema."""
        rough = sample(self.rough, points, step=MOTION_STEP)
        distance = self.distance(points)
        border = distance - self.radius * (1.0 + rough[0])
        core = border + self.rim * (1.0 + 2.0 * rough[1])
        return torch.stack([border, core, border - self.reach * (1.0 + 2.5 * rough[2]).clamp(min=0.0)])


def draw_mass(atlas: HeadAtlas, *, seed: int) -> Mass:
    """A mass of one subject, in white matter.

    Raises:
        ValueError: if no white matter of the map is deep enough and beside the ventricles.
    """
    generator = generator_for(seed, "mass")
    skull, ventricle = atlas.smooth[0], atlas.smooth[3]
    coarse = (slice(None, None, STEP),) * 3
    white = (atlas.regions[coarse] == CODE["white_matter"]) & (atlas.levels[2][coarse] < -CORTEX_GAP_MM)
    allowed = white & (skull < -LEAST_DEPTH_MM) & (ventricle > VENTRICLE_GAP_MM)
    places = torch.nonzero(allowed)
    if len(places) == 0:
        raise ValueError("no white matter of this map can hold a tumour; set tumour_probability to 0.")
    centre = STEP * places[int(torch.randint(len(places), (), generator=generator))].float()
    radius, pushed, rim, reach = (
        low + (high - low) * float(torch.rand((), generator=generator))
        for low, high in (RADIUS_MM, PUSHED, RIM_MM, OEDEMA_REACH_MM)
    )
    shape = atlas.widening.shape[2:]
    rough = torch.stack(
        [
            std * random_field(shape, channels=3, spacing=MOTION_STEP, knot_spacing=knots, generator=generator)
            for std, knots in zip(ROUGHNESS, ROUGH_KNOTS_MM, strict=True)
        ]
    ).sum(0)
    return Mass(centre, radius, pushed, rim, reach, rough, atlas.smooth[:1])
