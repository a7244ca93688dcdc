"""The head of one person: fractions of all structures on a grid, made from a label map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from brain_bundles.phantom.heads.atlas import STEP, HeadAtlas
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
    surroundings_mm: float = 0.0,
    turn: torch.Tensor | None = None,
    exact: bool = True,
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
        surroundings_mm: how far around the skull's inner surface the structures of the head are rendered, too, in mm
            of the map; infinite for all of them.
        turn: (3,) rotation of the head about its axes, degrees.
        exact: False accepts volumes that are off by some per cent, for heads that are made while a network trains.

    Raises:
        ValueError: if the volumes cannot be reached, or the map has no surroundings and they are asked for.
    """
    mass = draw_mass(atlas, seed=seed) if with_mass else None
    motion = Motion(atlas, seed=seed, mirrored=mirrored, mass=mass, turn=turn)
    aim = person
    for _ in range(CORRECTIONS):
        shape = solve(motion, aim, spacing=spacing, exact=exact)
        head = render(motion, shape, spatial_size=spatial_size, spacing=spacing, surroundings_mm=surroundings_mm)
        found = head.volume("ventricle")
        if not exact or abs(found / person.ventricular_volume - 1.0) < 0.01 or found == 0.0:
            break
        # The smallest ventricles have few points 2 mm apart: the search misses them by up to 3 %.
        aim = replace(aim, ventricular_volume=aim.ventricular_volume * person.ventricular_volume / found)
    return head


def render(
    motion: Motion, shape: Shape, *, spatial_size: Sequence[int], spacing: float, surroundings_mm: float = 0.0
) -> HeadAnatomy:
    """Fractions of a head of known shape; arguments as for :func:`render_head`."""
    atlas = motion.atlas
    points, skull = motion.on_grid(spatial_size, spacing, scale=shape.scale)
    inside = skull < REACH_MM
    index = inside.flatten().nonzero()[:, 0]

    def placed(values: torch.Tensor, background: float = 0.0) -> torch.Tensor:
        volume = torch.full((inside.numel(),), background, dtype=values.dtype)
        return volume.index_copy_(0, index, values).reshape(inside.shape)

    where = motion.widened(points.reshape(-1, 3)[index], shape.widening)
    smooth = sample(atlas.smooth[:4], where, step=STEP)
    width = spacing / shape.scale
    levels = sample(atlas.levels, where)
    found = layers(levels, smooth, shape.csf, width)
    white = ramp(levels[2] - shape.grey, width)
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
    if surroundings_mm > 0:
        outside = 1.0 - placed(found.intracranial)
        fractions |= around_the_brain(atlas, points, outside, skull < surroundings_mm, width)
    right = placed(lookup(atlas.right, where) ^ int(motion.mirrored))
    mass = None if motion.mass is None else motion.mass.borders(points) * shape.scale
    return HeadAnatomy(fractions, placed(smooth[3], FAR_MM), right, spacing, shape, mass)
