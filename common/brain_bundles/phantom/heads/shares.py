"""Partial volumes of structures that have no level of their own: deep grey matter, and what is around the brain."""

from __future__ import annotations

import torch

from brain_bundles.phantom.heads.atlas import HeadAtlas
from brain_bundles.phantom.heads.sampling import lookup
from brain_bundles.phantom.heads.structures import CODE, NAMES, in_group

SUBVOXELS = (-0.25, 0.25)  # in voxels: eight places in each


def shares(
    codes: torch.Tensor, points: torch.Tensor, width: float, *, uniform: torch.Tensor | None = None
) -> torch.Tensor:
    """Share of each code in the voxels around points (N, 3): (codes, N), from eight places in each voxel.

    Args:
        codes: (D, H, W) uint8.
        points: voxels of ``codes``.
        width: voxel size in mm of the map, at most 3.
        uniform: (D, H, W) bool, where all neighbours have the same code: one place is enough there.
    """
    share = torch.zeros((len(CODE) + 1, len(points)))
    share.scatter_(0, lookup(codes, points).long()[None], 1.0)
    mixed = torch.arange(len(points)) if uniform is None else (~lookup(uniform, points)).nonzero()[:, 0]
    near, part = points[mixed], torch.zeros((len(CODE) + 1, len(mixed)))
    weight = torch.full((1, len(mixed)), 1.0 / len(SUBVOXELS) ** 3)
    for x in SUBVOXELS:
        for y in SUBVOXELS:
            for z in SUBVOXELS:
                found = lookup(codes, near + width * torch.tensor([x, y, z]))
                part.scatter_add_(0, found.long()[None], weight)
    return share.index_copy_(1, mixed, part)


def around_the_brain(
    atlas: HeadAtlas, points: torch.Tensor, outside: torch.Tensor, width: float
) -> dict[str, torch.Tensor]:
    """Fractions (D, H, W) of skull, marrow, fat, muscle, eyes and more; air is what is left.

    Where the skull came nearer to the brain than in the map, the gap is bone.

    Args:
        atlas: the map.
        points: (D, H, W, 3) voxels of the cropped map.
        outside: (D, H, W) fraction outside of the intracranial space.
        width: voxel size in mm of the map.

    Raises:
        ValueError: if the map shows nothing around the brain.
    """
    if atlas.head is None:
        raise ValueError("this label map has a brain alone; whole heads need maps with skull and scalp (SynthSeg's).")
    codes, offset = atlas.head
    there = outside > 0
    places = points[there] + offset
    beyond = ((places < 0) | (places > torch.tensor(codes.shape) - 1.0)).any(-1)
    share = shares(codes, places, width) * outside[there]
    share[:, beyond] = 0.0  # the map ends there
    fractions = {}
    for code, name in enumerate(NAMES, start=1):
        if name in in_group("head"):
            fractions[name] = torch.zeros(outside.shape)
            fractions[name][there] = share[code]
            if name == "skull":
                inner = [CODE[other] for other in in_group("grey", "white", "ventricle", "csf")]
                fractions[name][there] += share[inner].sum(0)
    return fractions
