"""Volumes of structures from the probabilities of a segmentation."""

from __future__ import annotations

import torch


def class_volumes(
    probabilities: torch.Tensor, indices: torch.Tensor, voxel_ml: float, where: torch.Tensor | None = None
) -> torch.Tensor:
    """Volume of each class in mL: the sum of its probabilities in its voxels and those that touch them, (C,) float64.

    So a voxel on a border counts by its parts, and small probabilities far away do not add up to a volume.

    Args:
        probabilities: (C, D, H, W), sum 1 in each voxel.
        indices: (D, H, W) index of the class in each voxel.
        voxel_ml: volume of a voxel.
        where: (D, H, W) bool, the voxels to count, such as one side; None for all.
    """
    volumes = torch.zeros(len(probabilities), dtype=torch.float64)
    for index, probability in enumerate(probabilities):
        own = (indices == index).float()[None, None]
        if not bool(own.any()):
            continue
        near = torch.nn.functional.max_pool3d(own, 3, stride=1, padding=1)[0, 0] > 0
        if where is not None:
            near = near & where
        volumes[index] = probability[near].double().sum() * voxel_ml
    return volumes
