"""The head of one person: fractions of all structures on a grid, made from a label map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from brain_bundles.phantom.heads.atlas import MOTION_STEP, STEP, HeadAtlas
from brain_bundles.phantom.heads.mass import draw_mass
from brain_bundles.phantom.heads.motion import Motion
from brain_bundles.phantom.heads.people import Person
from brain_bundles.phantom.heads.sampling import lookup, sample
from brain_bundles.phantom.heads.shares import around_the_brain, shares
from brain_bundles.phantom.heads.structures import CODE, STRUCTURES, in_group
from brain_bundles.phantom.heads.volumes import FOLDED, Shape, layers, ramp, solve

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
        return torch.stack([self.fractions[name] for name in in_group(*groups) if name in self.fractions]).sum(0)

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
    shape = solve(motion, person, spacing=spacing)
    return render(motion, shape, spatial_size=spatial_size, spacing=spacing, whole_head=whole_head)


def render(
    motion: Motion, shape: Shape, *, spatial_size: Sequence[int], spacing: float, whole_head: bool = False
) -> HeadAnatomy:
    """Fractions of a head of known shape; arguments as for :func:`render_head`."""
    atlas = motion.atlas
    points = _map_points(motion, shape, spatial_size, spacing)
    inside = sample(atlas.smooth[:2], points, step=STEP).amin(0) < REACH_MM
    where = motion.widened(points[inside], shape.widening)
    width = spacing / shape.scale
    smooth = sample(atlas.smooth[:4], where, step=STEP)
    found = layers(sample(atlas.levels, where), smooth, shape.csf, width)
    white = ramp(found.white_level - shape.grey, width)
    share = shares(atlas.codes, where, width)
    fluid = lookup(atlas.fluid, where)
    values: dict[str, torch.Tensor] = {}
    sheets = {"cortex": "white_matter", "cerebellar_cortex": "cerebellar_white_matter"}
    for grey_name, white_name in sheets.items():
        sheet = found.tissue * (share[CODE[grey_name]] + share[CODE[white_name]])
        values[white_name] = sheet * white
        values[grey_name] = sheet - values[white_name]
    for name in in_group("grey", "white"):
        if not FOLDED[CODE[name]]:
            values[name] = found.tissue * share[CODE[name]]
    plexus = (fluid == CODE["choroid_plexus"]).float()
    values["choroid_plexus"] = found.ventricle * plexus
    values["lateral_ventricle"] = found.ventricle - values["choroid_plexus"]
    csf = (found.intracranial - found.tissue - found.ventricle).clamp(min=0.0)
    for name in ("third_ventricle", "fourth_ventricle"):
        values[name] = csf * (fluid == CODE[name])
    values["csf"] = csf - values["third_ventricle"] - values["fourth_ventricle"]
    fractions = {}
    for name in STRUCTURES:
        if name in values:
            fractions[name] = torch.zeros(inside.shape)
            fractions[name][inside] = values[name]
    if whole_head:
        intracranial = torch.zeros(inside.shape)
        intracranial[inside] = found.intracranial
        fractions |= around_the_brain(atlas, points, 1.0 - intracranial, width)
    right = torch.zeros(inside.shape, dtype=torch.uint8)
    right[inside] = lookup(atlas.right, where) ^ int(motion.mirrored)
    distance = torch.full(inside.shape, FAR_MM)
    distance[inside] = smooth[3]
    mass = None if motion.mass is None else motion.mass.borders(points) * shape.scale
    return HeadAnatomy(fractions, distance, right, spacing, shape, mass)


def _map_points(motion: Motion, shape: Shape, spatial_size: Sequence[int], spacing: float) -> torch.Tensor:
    """Map voxels (D, H, W, 3) of a grid before any widening; the motion is smooth: a coarse grid carries it."""
    factor = max(1, round(MOTION_STEP / spacing))
    coarse_size = [math.ceil((size - 1) / factor) + 1 for size in spatial_size]
    first = -(torch.tensor(spatial_size, dtype=torch.float32) - 1) / 2 * spacing
    axes = [start + torch.arange(size) * factor * spacing for start, size in zip(first, coarse_size, strict=True)]
    coarse = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) / shape.scale
    moved = motion.shaped(coarse).movedim(-1, 0)
    size = [(n - 1) * factor + 1 for n in coarse_size]
    points = F.interpolate(moved[None], size=size, mode="trilinear", align_corners=True)[0]
    return points[:, : spatial_size[0], : spatial_size[1], : spatial_size[2]].movedim(0, -1)
