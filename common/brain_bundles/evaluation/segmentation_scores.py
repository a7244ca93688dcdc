"""Scores of one segmentation against labels: Dice of each structure on two grids, volumes, sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from brain_bundles.data.brain_classes import (
    BRAIN_CLASSES,
    CLASS_INDEX,
    NUM_CLASSES,
    class_indices,
    classes_of,
)
from brain_bundles.transforms.scan_grid import to_scan_grid
from brain_bundles.transforms.segmentation import Segmentation
from brain_bundles.transforms.segmentation_preprocessing import anti_alias

BRAIN_MASK = "brain_mask"
Table = Mapping[str, Sequence[int]] | None


@dataclass(frozen=True)
class StructureScore:
    """How well one structure of one scan was found; NaN where it is neither in the labels nor found.

    Attributes:
        structure: name of a class, ``brain_mask``, or a volume of the whole.
        dice: on the model's grid, with labels that were resampled by fractions.
        dice_scan: on the grid of the scan.
        volume, true_volume: mL, as found and by the labels.
    """

    structure: str
    dice: float
    dice_scan: float
    volume: float
    true_volume: float


def score_segmentation(
    image: MetaTensor, found: Segmentation, labels: MetaTensor, table: Table = None
) -> list[StructureScore]:
    """Score a segmentation.

    Args:
        image: the preprocessed scan (1, D, H, W), with the affine of that grid.
        found: the segmentation.
        labels: (1, D, H, W) numbers on the grid of the scan.
        table: class -> its numbers; None for FreeSurfer's. Classes that a table does not name are not scored; the brain
            mask is scored if there is CSF in it.
    """
    names = list(BRAIN_CLASSES) if table is None else [name for name in BRAIN_CLASSES if name in table]
    true_scan = class_indices(labels[0].numpy(), table)
    true_model = fractions_on_grid(true_scan, labels, image)
    own_scan = class_indices(found.numbers)
    own_model = found.indices
    voxel = abs(float(np.linalg.det(np.asarray(labels.affine)[:3, :3]))) / 1000
    counts = np.bincount(true_scan.ravel(), minlength=NUM_CLASSES) * voxel
    scores = []
    for name in names:
        index = CLASS_INDEX[name]
        one = BRAIN_CLASSES[name]
        volume = sum(found.volumes[part] for part in ([f"left_{name}", f"right_{name}"] if one.right else [name]))
        on_model, on_scan = dice(own_model == index, true_model == index), dice(own_scan == index, true_scan == index)
        scores.append(StructureScore(name, on_model, on_scan, volume, float(counts[index])))
    if "csf" in names:
        on_model, on_scan = dice(own_model > 0, true_model > 0), dice(found.brain_mask > 0, true_scan > 0)
        inside = float(counts[1:].sum())
        scores.append(StructureScore(BRAIN_MASK, on_model, on_scan, found.volumes["intracranial_volume"], inside))
        brain = float(counts[classes_of(tissue=("grey", "white", "lesion"))].sum())
        scores.append(StructureScore("brain_volume", np.nan, np.nan, found.volumes["brain_volume"], brain))
    return scores


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice's coefficient of two masks; NaN if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return float("nan") if total == 0 else 2.0 * int((one & other).sum()) / total


def fractions_on_grid(indices: NDArray[np.integer], labels: MetaTensor, image: MetaTensor) -> NDArray[np.uint8]:
    """Classes on the grid of another image: in each voxel that with the largest fraction, where the brain has half.

    Args:
        indices: (D, H, W) classes on the grid of ``labels``.
        labels: gives the affine of the classes.
        image: (1, D, H, W) gives the grid.
    """
    affine, shape = np.asarray(image.affine), image.shape[1:]
    spacing = float(torch.as_tensor(image.pixdim).mean())

    def placed(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        smooth = anti_alias(MetaTensor(torch.from_numpy(mask)[None].float(), affine=labels.affine), spacing)
        slabs = to_scan_grid(torch.as_tensor(smooth.as_tensor()), np.asarray(labels.affine), shape, affine)
        return torch.cat([slab[0] for _, slab in slabs]).numpy()

    most = np.zeros(tuple(shape), dtype=np.float32)
    best = np.zeros(tuple(shape), dtype=np.uint8)
    for index in np.unique(indices[indices > 0]):
        fraction = placed(indices == index)
        larger = fraction > most
        most[larger], best[larger] = fraction[larger], index
    return best * (placed(indices > 0) > 0.5)


def side_agreement(found: Segmentation, labels: MetaTensor) -> float:
    """Of the voxels whose structure agrees with FreeSurfer's numbers, the share on the same side; NaN without any."""
    numbers = np.rint(labels[0].numpy()).astype(np.int64)
    left, right = (_numbers(side) for side in ("left", "right"))
    same = class_indices(numbers) == class_indices(found.numbers)
    sided = same & np.isin(numbers, left + right)
    if not sided.any():
        return float("nan")
    return float((np.isin(numbers[sided], right) == np.isin(found.numbers[sided], right)).mean())


def _numbers(side: str) -> list[Any]:
    return [number for one in BRAIN_CLASSES.values() if one.right for number in getattr(one, side)]
