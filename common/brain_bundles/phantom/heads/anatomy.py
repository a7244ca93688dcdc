"""The head of one person: fractions of all structures on a grid, made from a label map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from brain_bundles.phantom.heads.atlas import MOTION_STEP, STEP, HeadAtlas
from brain_bundles.phantom.heads.mass import draw_mass
from brain_bundles.phantom.heads.motion import Motion
from brain_bundles.phantom.heads.people import Person
from brain_bundles.phantom.heads.sampling import lookup, sample
from brain_bundles.phantom.heads.shares import around_the_brain, shares
from brain_bundles.phantom.heads.structures import CODE, SHEETS, STRUCTURES, in_group
from brain_bundles.phantom.heads.volumes import Shape, layers, ramp, solve

CORRECTIONS = 3  # renderings at most
REACH_MM = 4.0  # points farther outside of the skull are not looked at
FAR_MM = 100.0  # distance to the ventricles outside of the skull


@dataclass(frozen=True)
class HeadAnatomy:
    """Structures of one person on its grid.

    Attributes:
        fractions: (D, H, W) fraction per structure; what is inside the skull adds up to the intracranial fraction.
        ventricle_distance: (D, H, W) distance outside the lateral ventricles, mm in the map's scale.
        right: (D, H, W) uint8, 1 on the right side of the brain.
        spacing: voxel size in mm.
        shape: the parameters that gave the head its volumes.
        mass: (3, D, H, W) distances (mm) to the border of a mass, to its core, and to the end of its oedema; or None.
    """

    fractions: Mapping[str, torch.Tensor]
    ventricle_distance: torch.Tensor
    right: torch.Tensor
    spacing: float
    shape: Shape
    mass: torch.Tensor | None = None

    def of(self, *groups: str) -> torch.Tensor:
        """Summed fraction of all structures of some groups, (D, H, W)."""
        return summed(self.fractions[name] for name in in_group(*groups) if name in self.fractions)

    @property
    def grey_matter(self) -> torch.Tensor:
        return self.of("grey")

    @property
    def white_matter(self) -> torch.Tensor:
        return self.of("white")

    @property
    def lateral_ventricles(self) -> torch.Tensor:
        return self.of("ventricle")

    @property
    def intracranial(self) -> torch.Tensor:
        """Fraction of everything inside the skull, (D, H, W)."""
        return self.of("grey", "white", "ventricle", "csf")

    def volume(self, *groups: str) -> float:
        """Volume of all structures of some groups, mL."""
        return float(self.of(*groups).double().sum()) * self.spacing**3 / 1000.0


def summed(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Sum of tensors of one shape; in place, since a stack of twenty volumes costs more than all else."""
    total: torch.Tensor | None = None
    for part in parts:
        total = part.clone() if total is None else total.add_(part)
    assert total is not None
    return total


def grid_points(spatial_size: Sequence[int], spacing: float) -> torch.Tensor:
    """Voxel positions (D, H, W, 3), mm from the centre of the grid."""
    axes = [(torch.arange(size, dtype=torch.float32) - (size - 1) / 2) * spacing for size in spatial_size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def render_head(
    atlas: HeadAtlas,
    person: Person,
    *,
    seed: int,
    mirrored: bool,
    spatial_size: Sequence[int],
    spacing: float,
    with_mass: bool = False,
    whole_head: bool = False,
) -> HeadAnatomy:
    """The head of one person with its volumes.

    Args:
        atlas: the label map.
        person: volumes of the person.
        seed: seed of the shape.
        mirrored: True for the mirror image of the map.
        spatial_size: (D, H, W) of the grid, RAS.
        spacing: voxel size in mm, at most 2.
        with_mass: True for a tumour that pushes its surroundings away; it is drawn from ``seed``.
        whole_head: True for the structures around the brain, too.

    Raises:
        ValueError: if the volumes cannot be reached, or the map has no head and ``whole_head`` is asked for.
    """
    motion = Motion(atlas, seed=seed, mirrored=mirrored, mass=draw_mass(atlas, seed=seed) if with_mass else None)
    aim = person
    for _ in range(CORRECTIONS):
        shape = solve(motion, aim, spacing=spacing)
        head = render(motion, shape, spatial_size=spatial_size, spacing=spacing, whole_head=whole_head)
        found = head.volume("ventricle")
        if abs(found / person.ventricular_volume - 1.0) < 0.01 or found == 0.0:
            break
        # The smallest ventricles have few points 2 mm apart: the search misses them by up to 3 %.
        aim = replace(aim, ventricular_volume=aim.ventricular_volume * person.ventricular_volume / found)
    return head


def render(
    motion: Motion, shape: Shape, *, spatial_size: Sequence[int], spacing: float, whole_head: bool = False
) -> HeadAnatomy:
    """Fractions of a head of known shape; arguments as for :func:`render_head`."""
    atlas = motion.atlas
    points, inside = _map_points(motion, shape, spatial_size, spacing)
    index = inside.flatten().nonzero()[:, 0]

    def placed(values: torch.Tensor, background: float = 0.0) -> torch.Tensor:
        volume = torch.full((inside.numel(),), background, dtype=values.dtype)
        return volume.index_copy_(0, index, values).reshape(inside.shape)

    where = motion.widened(points.reshape(-1, 3)[index], shape.widening)
    smooth = sample(atlas.smooth[:4], where, step=STEP)
    width = spacing / shape.scale
    found = layers(sample(atlas.levels, where), smooth, shape.csf, width)
    white = ramp(found.white_level - shape.grey, width)
    share = shares(atlas.regions, where, width, uniform=atlas.uniform)
    fluid = lookup(atlas.fluid, where)
    values: dict[str, torch.Tensor] = {}
    for grey_name, white_name in SHEETS.items():
        sheet = found.tissue * share[CODE[white_name]]
        values[white_name] = sheet * white
        values[grey_name] = sheet - values[white_name]
    for name in in_group("grey", "white"):
        if name not in values:
            values[name] = found.tissue * share[CODE[name]]
    plexus = (fluid == CODE["choroid_plexus"]).float()
    values["choroid_plexus"] = found.ventricle * plexus
    values["lateral_ventricle"] = found.ventricle - values["choroid_plexus"]
    csf = (found.intracranial - found.tissue - found.ventricle).clamp(min=0.0)
    for name in ("third_ventricle", "fourth_ventricle"):
        values[name] = csf * (fluid == CODE[name])
    values["csf"] = csf - values["third_ventricle"] - values["fourth_ventricle"]
    fractions = {name: placed(values[name]) for name in STRUCTURES if name in values}
    if whole_head:
        fractions |= around_the_brain(atlas, points, 1.0 - placed(found.intracranial), width)
    right = placed(lookup(atlas.right, where) ^ int(motion.mirrored))
    mass = None if motion.mass is None else motion.mass.borders(points) * shape.scale
    return HeadAnatomy(fractions, placed(smooth[3], FAR_MM), right, spacing, shape, mass)


def _map_points(
    motion: Motion, shape: Shape, spatial_size: Sequence[int], spacing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Map voxels (D, H, W, 3) of a grid before any widening, and a mask of those in the head or near it.

    The motion is smooth: it is computed on a coarse grid.
    """
    factor = max(1, round(MOTION_STEP / spacing))
    coarse_size = [math.ceil((size - 1) / factor) + 1 for size in spatial_size]
    first = -(torch.tensor(spatial_size, dtype=torch.float32) - 1) / 2 * spacing
    axes = [start + torch.arange(size) * factor * spacing for start, size in zip(first, coarse_size, strict=True)]
    coarse = motion.shaped(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) / shape.scale)
    skull = sample(motion.atlas.smooth[:2], coarse, step=STEP).amin(0)
    size = [(n - 1) * factor + 1 for n in coarse_size]
    both = torch.cat([coarse.movedim(-1, 0), skull[None]])
    fine = F.interpolate(both[None], size=size, mode="trilinear", align_corners=True)[0]
    fine = fine[:, : spatial_size[0], : spatial_size[1], : spatial_size[2]]
    return fine[:3].movedim(0, -1), fine[3] < REACH_MM
