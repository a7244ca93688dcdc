"""Skull, fat and skin as shells around a brain: a head where no label map is at hand."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy import ndimage

# Thickness, mm, from the inside to the outside.
SHELLS: Mapping[str, float] = {"skull": 7.0, "fat": 3.5, "skin": 2.5}
CLOSING = 16.0  # mm, more than all shells; the skull is smooth where the brain has fissures


def shells(inside: torch.Tensor, spacing: float) -> dict[str, torch.Tensor]:
    """Fractions (D, H, W) of skull, fat and skin around a brain; there is no face and no neck.

    Args:
        inside: (D, H, W) fraction of the space inside of the skull.
        spacing: voxel size, mm.
    """
    brain = inside.numpy() > 0.5
    away = ndimage.distance_transform_edt(~brain, sampling=spacing)
    depth = ndimage.distance_transform_edt(away < CLOSING, sampling=spacing)  # of the closed brain's own distance
    outside = torch.from_numpy(CLOSING - depth).float()
    left = 1.0 - inside.clamp(0.0, 1.0)
    found, start = {}, 0.0
    # What lies between the brain and the closed surface is skull as well.
    for name, thickness in SHELLS.items():
        inner = torch.ones_like(left) if start == 0.0 else _step(outside - start, spacing)
        start += thickness
        found[name] = left * inner * (1.0 - _step(outside - start, spacing))
    return found


def _step(distance: torch.Tensor, spacing: float) -> torch.Tensor:
    """From 0 to 1 over the width of a voxel, as a voxel mixes what it holds."""
    return (distance / spacing + 0.5).clamp(0.0, 1.0)
