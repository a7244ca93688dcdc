"""Partial volumes of structures that have no level of their own: deep grey matter, and what is around the brain."""

from __future__ import annotations

import torch

from brain_bundles.phantom.heads.atlas import HeadAtlas
from brain_bundles.phantom.heads.sampling import lookup
from brain_bundles.phantom.heads.structures import CODE, in_group

HEAD = in_group("head")
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
    atlas: HeadAtlas, points: torch.Tensor, outside: torch.Tensor, there: torch.Tensor, width: float
) -> dict[str, torch.Tensor]:
    """Fractions (D, H, W) of skull, marrow, fat, muscle, eyes and more; air is what is left.

    Where the skull came nearer to the brain than in the map, the gap is bone.

    Args:
        atlas: the map.
        points: (D, H, W, 3) voxels of the cropped map.
        outside: (D, H, W) fraction outside of the intracranial space.
        there: (D, H, W) bool, the voxels that are looked at.
        width: voxel size in mm of the map.

    Raises:
        ValueError: if the map shows nothing around the brain.
    """
    around = atlas.surroundings
    if around is None:
        raise ValueError("this label map has a brain alone; whole heads need maps with skull and scalp (SynthSeg's).")
    index = (there & (outside > 0)).flatten().nonzero()[:, 0]
    places = points.reshape(-1, 3)[index] + around.offset
    beyond = ((places < 0) | (places > torch.tensor(around.codes.shape) - 1.0)).any(-1)
    share = shares(around.codes, places, width, uniform=around.uniform) * outside.flatten()[index]
    share[:, beyond] = 0.0  # the map ends there
    inner = [CODE[name] for name in in_group("grey", "white", "ventricle", "csf")]
    share[CODE["skull"]] += share[inner].sum(0)
    flat = torch.zeros((len(HEAD), outside.numel()))
    flat.index_copy_(1, index, share[[CODE[name] for name in HEAD]])
    return dict(zip(HEAD, flat.reshape(len(HEAD), *outside.shape), strict=True))
