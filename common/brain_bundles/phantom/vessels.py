"""Arteries and veins as branching tubes, for angiography, susceptibility-weighted and contrast-enhanced images.

A stylised tree, not an atlas: trunks enter like the large vessels of the head and branch at random towards the cortex.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from brain_bundles.phantom.anatomy import Anatomy
from brain_bundles.phantom.heads.anatomy import HeadAnatomy
from brain_bundles.utils.seeding import generator_for

# Start of each trunk in fractions of the brain's bounding box, direction (both right, front, top), and radius in mm.
ARTERY_TRUNKS = (
    ((0.42, 0.62, 0.22), (-1.0, 0.2, 0.35), 1.5),  # left middle cerebral
    ((0.58, 0.62, 0.22), (1.0, 0.2, 0.35), 1.5),  # right middle cerebral
    ((0.48, 0.66, 0.24), (-0.05, 0.75, 0.8), 1.2),  # left anterior cerebral
    ((0.52, 0.66, 0.24), (0.05, 0.75, 0.8), 1.2),  # right anterior cerebral
    ((0.47, 0.50, 0.20), (-0.5, -1.0, 0.3), 1.2),  # left posterior cerebral
    ((0.53, 0.50, 0.20), (0.5, -1.0, 0.3), 1.2),  # right posterior cerebral
    ((0.50, 0.50, 0.02), (0.0, 0.15, 1.0), 1.6),  # basilar
)
VEIN_TRUNKS = (
    ((0.50, 0.85, 0.70), (0.0, -0.7, 0.6), 1.6),  # superior sagittal sinus, front half
    ((0.50, 0.45, 0.97), (0.0, -1.0, -0.35), 1.8),  # superior sagittal sinus, back half
    ((0.46, 0.55, 0.52), (-0.1, -1.0, 0.0), 1.0),  # left internal cerebral vein
    ((0.54, 0.55, 0.52), (0.1, -1.0, 0.0), 1.0),  # right internal cerebral vein
    ((0.42, 0.55, 0.60), (-0.7, 0.2, 0.6), 0.7),  # left medullary veins
    ((0.58, 0.55, 0.60), (0.7, 0.2, 0.6), 0.7),  # right medullary veins
)
STEP_MM = 3.0
WANDER = 0.28  # change of direction per step
BRANCH_PROBABILITY = 0.16
BRANCH_RADIUS = 0.72  # of the parent; Murray's law gives 0.79 for two equal branches, side branches are thinner
TAPER = 0.985  # of the radius per step
MIN_RADIUS_MM = 0.4
MAX_SEGMENTS = 400


@dataclass(frozen=True)
class Vessels:
    """Fractions (D, H, W) of arterial and venous blood per voxel."""

    artery: torch.Tensor
    vein: torch.Tensor


def _grow(
    trunks: Sequence[tuple[Sequence[float], Sequence[float], float]],
    origin: torch.Tensor,
    extent: torch.Tensor,
    inside: torch.Tensor,
    spacing: float,
    generator: torch.Generator,
) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """Segments (start, end in voxels, radius in mm) of trees that grow from ``trunks`` until they leave the head."""
    tips = [
        (
            _nearest_inside(origin + extent * torch.tensor(start), inside),
            torch.tensor(direction) / torch.tensor(direction).norm(),
            radius,
        )
        for start, direction, radius in trunks
    ]
    segments: list[tuple[torch.Tensor, torch.Tensor, float]] = []
    limit = torch.tensor(inside.shape)
    while tips and len(segments) < MAX_SEGMENTS:
        position, direction, radius = tips.pop(0)
        direction = direction + WANDER * torch.randn(3, generator=generator)
        direction = direction / direction.norm()
        end = position + direction * STEP_MM / spacing
        voxel = end.round().long()
        if bool(((voxel < 0) | (voxel >= limit)).any()) or float(inside[tuple(voxel.tolist())]) < 0.5:
            continue
        segments.append((position, end, radius))
        if radius * TAPER >= MIN_RADIUS_MM:
            tips.append((end, direction, radius * TAPER))
        if float(torch.rand((), generator=generator)) < BRANCH_PROBABILITY and radius * BRANCH_RADIUS >= MIN_RADIUS_MM:
            side = direction + 0.9 * torch.randn(3, generator=generator)
            tips.append((end, side / side.norm(), radius * BRANCH_RADIUS))
    return segments


def _nearest_inside(position: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return ``position``, or the nearest voxel of the head: the height of the skull base differs between heads."""
    if float(inside[tuple(position.round().long().tolist())]) >= 0.5:
        return position
    voxels = torch.nonzero(inside >= 0.5).float()
    return voxels[(voxels - position).norm(dim=1).argmin()]


def _rasterise(
    segments: list[tuple[torch.Tensor, torch.Tensor, float]], shape: torch.Size, spacing: float
) -> torch.Tensor:
    """Fraction of each voxel covered by the tubes, (D, H, W); a tube thinner than a voxel covers a part of it."""
    fraction = torch.zeros(shape)
    for start, end, radius in segments:
        margin = radius / spacing + 1.5
        low = [max(0, math.floor(float(min(a, b)) - margin)) for a, b in zip(start, end, strict=True)]
        high = [min(n, math.ceil(float(max(a, b)) + margin) + 1) for a, b, n in zip(start, end, shape, strict=True)]
        axes = [torch.arange(lo, hi, dtype=torch.float32) for lo, hi in zip(low, high, strict=True)]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        along = end - start
        position = (((points - start) @ along) / (along @ along)).clamp(0.0, 1.0)
        distance = spacing * (points - (start + position[..., None] * along)).norm(dim=-1)
        cover = (0.5 + (radius - distance) / spacing).clamp(0.0, 1.0)
        cover = cover * min(1.0, math.pi * radius**2 / spacing**2 + 0.25)
        box = tuple(slice(lo, hi) for lo, hi in zip(low, high, strict=True))
        fraction[box] = torch.maximum(fraction[box], cover)
    return fraction


def vessels(anatomy: Anatomy | HeadAnatomy, *, seed: int) -> Vessels:
    """Arterial and venous tree of one subject."""
    generator = generator_for(seed, "vessels")
    inside = anatomy.intracranial
    occupied = torch.nonzero(inside > 0.5).float()
    origin = occupied.amin(0)
    extent = occupied.amax(0) - origin
    artery, vein = (
        _rasterise(_grow(trunks, origin, extent, inside, anatomy.spacing, generator), inside.shape, anatomy.spacing)
        * inside
        for trunks in (ARTERY_TRUNKS, VEIN_TRUNKS)
    )
    return Vessels(artery, vein * (1.0 - artery))
