"""From the segmenter's probabilities to a segmentation of the scan: sides, volumes, quality, and refusal of no head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from brain_bundles.data.brain_classes import (
    BRAIN_CLASSES,
    CLASS_INDEX,
    NUM_CLASSES,
    classes_of,
    freesurfer_numbers,
    midline_classes,
    paired_classes,
    quality_groups,
)
from brain_bundles.metrics.class_volumes import class_volumes
from brain_bundles.metrics.middle_plane import MiddlePlane, fit_middle_plane
from brain_bundles.metrics.segmentation_quality import INTRACRANIAL_ML, group_scores, misplaced
from brain_bundles.transforms.background import foreground
from brain_bundles.transforms.intensity_refinement import refine_by_intensity
from brain_bundles.transforms.scan_grid import to_scan_grid
from brain_bundles.utils.plain_tensor import plain_tensor

QUALITY = "quality"  # of the whole: the mean over the groups
# What holds in every head that lies in RAS as its header says: (these, lie beyond those, along an axis).
ORDERS: Mapping[str, tuple[list[int], list[int], int]] = {
    "the thalamus above the brainstem": ([CLASS_INDEX["thalamus"]], [CLASS_INDEX["brainstem"]], 2),
    "the caudate in front of the cerebellum": ([CLASS_INDEX["caudate"]], classes_of(group="cerebellum"), 1),
}


class NoHeadError(ValueError):
    """Raised for a scan in which the segmenter does not find a head; the message says why."""


@dataclass(frozen=True)
class Segmentation:
    """A segmentation on the grid of its scan.

    Attributes:
        numbers: (D, H, W) uint8, FreeSurfer's.
        brain_mask: (D, H, W) bool, the space inside of the skull.
        volumes: mL, by structure and side, and of the whole.
        quality: score from 0 to 1 of each group of structures, and of the whole under ``quality``.
        flags: groups whose score is low.
        indices: index of the class in each voxel of the model's grid, uint8.
    """

    numbers: NDArray[np.uint8]
    brain_mask: NDArray[np.bool_]
    volumes: Mapping[str, float]
    quality: Mapping[str, float]
    flags: tuple[str, ...]
    indices: NDArray[np.uint8]


def classify(probabilities: torch.Tensor) -> torch.Tensor:
    """Index of the class in each voxel, (D, H, W) int64: the likeliest structure, within the brain.

    The brain is the largest piece where the background has less than a half, with its holes. So a border voxel of a
    third each of cortex, CSF and background is brain, as it is in the segmentations that the network learns from.

    Args:
        probabilities: (C, D, H, W).
    """
    inside = 1 - probabilities[:1]
    if not bool((inside > 0.5).any()):
        return torch.zeros(inside.shape[1:], dtype=torch.int64, device=inside.device)
    # max: argmax takes three times as long along the first axis
    return (probabilities[1:].max(0).indices + 1) * foreground(inside, 0.5)[0].to(inside.device)


def segment(
    probabilities: torch.Tensor,
    affine: ArrayLike,
    shape: Sequence[int],
    scan_affine: ArrayLike,
    *,
    image: torch.Tensor | None = None,
    minimum_quality: float = 0.5,
    flag_quality: float = 0.7,
) -> Segmentation:
    """Segmentation of a scan from the probabilities on the model's grid.

    Args:
        probabilities: (C, D, H, W), sum 1 in each voxel.
        affine: (4, 4) of that grid, voxel indices to RAS+ mm.
        shape: (D, H, W) of the scan.
        scan_affine: (4, 4) of the scan.
        image: (1, D, H, W) on the model's grid; borders then follow its intensities, see
            :func:`~brain_bundles.transforms.refine_by_intensity`. The quality stays that of the network.
        minimum_quality: a lower score of the whole means that there is no head.
        flag_quality: a lower score of a group is flagged.

    Raises:
        NoHeadError: if no head was found: nothing inside of a skull, an impossible size, structures in an order that no
            head has, or a low score.
        ValueError: for another number of classes.
    """
    probabilities = plain_tensor(probabilities).float()
    if len(probabilities) != NUM_CLASSES:
        raise ValueError(f"the network gives {len(probabilities)} channels, the segmenter has {NUM_CLASSES} classes.")
    indices = classify(probabilities)
    if not bool(indices.any()):
        raise NoHeadError("nothing in it looks like a brain")
    quality = group_scores(probabilities, indices, quality_groups())
    quality[QUALITY] = float(np.mean(list(quality.values())))
    if image is not None:
        probabilities = refine_by_intensity(probabilities, image)
        indices = classify(probabilities)
    on_model = indices.cpu().numpy().astype(np.uint8)
    # From here on, only the box around the brain is looked at.
    box = tuple(slice(max(0, int(n.min()) - 2), int(n.max()) + 3) for n in indices.nonzero(as_tuple=True))
    probabilities, indices = probabilities[(slice(None), *box)], indices[box]
    matrix = np.asarray(affine, dtype=np.float64) @ _shift([part.start for part in box])
    plain = indices.cpu().numpy()
    plane = fit_middle_plane(plain, matrix, paired=paired_classes(), midline=midline_classes())
    volumes = _volumes(probabilities, indices, matrix, plane)
    _refuse(plain, matrix, quality[QUALITY], volumes["intracranial_volume"], minimum_quality)
    scan = np.asarray(scan_affine, dtype=np.float64)
    numbers, mask = _on_scan(probabilities, indices > 0, matrix, shape, scan, plane)
    flags = tuple(name for name, score in quality.items() if name != QUALITY and score < flag_quality)
    return Segmentation(numbers, mask, volumes, quality, flags, on_model)


def _refuse(
    indices: NDArray[np.integer], affine: NDArray[np.float64], quality: float, intracranial: float, minimum: float
) -> None:
    reasons = []
    low, high = INTRACRANIAL_ML
    if not low <= intracranial <= high:
        reasons.append(f"{intracranial:.0f} mL would be inside of the skull, expected {low:.0f} to {high:.0f}")
    reasons += [f"expected {name}; is its header right?" for name in misplaced(indices, affine, ORDERS)]
    if quality < minimum:
        reasons.append(f"the quality is {quality:.2f}, expected {minimum:g} or more (minimum_quality)")
    if reasons:
        raise NoHeadError("; ".join(reasons))


def _volumes(
    probabilities: torch.Tensor, indices: torch.Tensor, affine: NDArray[np.float64], plane: MiddlePlane
) -> dict[str, float]:
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    right = torch.from_numpy(plane.right_of_grid(indices.shape, affine)).to(indices.device)
    sides = dict(zip(("left", "right"), class_volumes(probabilities, indices, right, voxel), strict=True))
    both = sides["left"] + sides["right"]
    volumes = {
        "intracranial_volume": float(both[1:].sum()),
        "brain_volume": float(both[classes_of(tissue=("grey", "white", "lesion"))].sum()),
        "ventricular_volume": float(both[classes_of(tissue=("ventricle",))].sum()),
    }
    for name, one in BRAIN_CLASSES.items():
        index = CLASS_INDEX[name]
        if one.right:
            volumes |= {f"{side}_{name}": float(part[index]) for side, part in sides.items()}
        else:
            volumes[name] = float(both[index])
    return volumes


def _on_scan(
    probabilities: torch.Tensor,
    brain: torch.Tensor,
    affine: NDArray[np.float64],
    shape: Sequence[int],
    scan_affine: NDArray[np.float64],
    plane: MiddlePlane,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """FreeSurfer's numbers and the brain mask on the scan's grid; only the box around the brain is looked at."""
    # What lies apart from the brain stays out; the next voxels are part of the border that is interpolated.
    near = torch.nn.functional.max_pool3d(brain[None, None].float(), 3, stride=1, padding=1)[0]
    # Holes that were filled stay filled: a little more than a half.
    filled = torch.maximum((1 - probabilities[:1]) * near, 0.51 * brain[None].float())
    inside = torch.cat([filled, probabilities[1:]])
    box = _box(brain.cpu().numpy(), affine, shape, scan_affine)
    own = scan_affine @ _shift([part.start for part in box])
    size = [part.stop - part.start for part in box]
    indices, mask = np.zeros(size, dtype=np.uint8), np.zeros(size, dtype=bool)
    for first, slab in to_scan_grid(inside, affine, size, own):
        place = slice(first, first + slab.shape[1])
        mask[place] = (slab[0] > 0.5).cpu().numpy()
        indices[place] = (slab[1:].max(0).indices + 1).cpu().numpy().astype(np.uint8)
    found = freesurfer_numbers(indices * mask, plane.right_of_grid(size, own))
    numbers, whole = np.zeros(tuple(shape), dtype=np.uint8), np.zeros(tuple(shape), dtype=bool)
    numbers[box], whole[box] = found, mask
    return numbers, whole


def _box(
    brain: NDArray[np.bool_], affine: NDArray[np.float64], shape: Sequence[int], scan_affine: NDArray[np.float64]
) -> tuple[slice, ...]:
    """The part of the scan's grid that holds the brain, a voxel of the model wider."""
    ends = [(int(axis.min()) - 1, int(axis.max()) + 1) for axis in brain.nonzero()]
    corners = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    matrix = np.linalg.inv(scan_affine) @ affine
    places = matrix[:3, :3] @ corners + matrix[:3, 3:]
    low = np.clip(np.floor(places.min(1)).astype(int), 0, np.array(shape) - 1)
    high = np.clip(np.ceil(places.max(1)).astype(int) + 1, low + 1, np.array(shape))
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _shift(start: Sequence[int]) -> NDArray[Any]:
    matrix = np.eye(4)
    matrix[:3, 3] = start
    return matrix
