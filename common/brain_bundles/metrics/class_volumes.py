"""Volumes of structures from the probabilities of a segmentation."""

from __future__ import annotations

import torch


def class_volumes(
    probabilities: torch.Tensor, indices: torch.Tensor, right: torch.Tensor, voxel_ml: float
) -> torch.Tensor:
    """Volume of each class on the left and on the right in mL, (2, C) float64.

    It is the sum of the probabilities of a class in its voxels and those that touch them. So a voxel on a border counts
    by its parts, and small probabilities far away do not add up to a volume.

    Args:
        probabilities: (C, D, H, W), sum 1 in each voxel.
        indices: (D, H, W) index of the class in each voxel.
        right: (D, H, W) bool, True on the right side.
        voxel_ml: volume of a voxel.
    """
    volumes = torch.zeros(2, len(probabilities), dtype=torch.float64)
    for index, probability in enumerate(probabilities):
        own = indices == index
        if not bool(own.any()):
            continue
        box = tuple(slice(max(0, int(n.min()) - 1), int(n.max()) + 2) for n in own.nonzero(as_tuple=True))
        near = torch.nn.functional.max_pool3d(own[box].float()[None], 3, stride=1, padding=1)[0] > 0
        for side, where in enumerate((~right[box], right[box])):
            volumes[side, index] = probability[box][near & where].double().sum() * voxel_ml
    return volumes
