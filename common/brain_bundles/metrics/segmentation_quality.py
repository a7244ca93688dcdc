"""How sure a segmentation is of itself, and whether it looks like a head at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

# mL inside of the skull. Adults have 1,000 to 1,850; what is far outside is no head, or not in the unit of its header.
INTRACRANIAL_ML = (500.0, 2600.0)


def group_scores(
    probabilities: torch.Tensor, indices: torch.Tensor, groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Mean of the largest probability over the voxels of each group of structures; 0 for a group without a voxel.

    Args:
        probabilities: (C, D, H, W), sum 1 in each voxel.
        indices: (D, H, W) index of the class in each voxel.
        groups: name -> classes.
    """
    largest = probabilities.amax(0)
    scores = {}
    for name, classes in groups.items():
        inside = torch.isin(indices.long(), torch.as_tensor(list(classes), device=indices.device))
        scores[name] = float(largest[inside].double().mean()) if bool(inside.any()) else 0.0
    return scores


def misplaced(
    indices: NDArray[np.integer],
    affine: ArrayLike,
    orders: Mapping[str, tuple[Sequence[int], Sequence[int], int]],
) -> list[str]:
    """Names of the orders of structures that do not hold: a head upside down has its stem above its brain.

    Args:
        indices: (D, H, W) index of the class in each voxel.
        affine: (4, 4), voxel indices to RAS+ mm.
        orders: name -> (classes, classes, axis): the centre of the first ones is farther along the axis of RAS+ (0 to
            the right, 1 to the front, 2 to the top) than that of the second ones. Orders of what is not there are not
            judged.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    wrong = []
    for name, (ahead, behind, axis) in orders.items():
        places = [np.argwhere(np.isin(indices, list(classes))) for classes in (ahead, behind)]
        if not all(len(place) for place in places):
            continue
        first, second = (matrix[axis, :3] @ place.mean(0) for place in places)
        if not first > second:
            wrong.append(name)
    return wrong
