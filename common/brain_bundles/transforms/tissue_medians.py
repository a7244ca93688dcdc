"""Levels of the tissues in a brain of any contrast, where the segmenter is sure of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from brain_bundles.data.brain_classes import CLASS_INDEX
from brain_bundles.transforms.scan_grid import to_scan_grid
from brain_bundles.transforms.scan_segmenter import ScanSegmenter
from brain_bundles.utils.plain_tensor import plain_tensor

# Tissues that look alike in every contrast, so that each has a level. Lesions, stem and narrow ventricles have none.
TISSUES: Mapping[str, tuple[str, ...]] = {
    "white matter": ("white_matter", "cerebellar_white_matter"),
    "cortex": ("cortex", "cerebellar_cortex"),
    "deep grey matter": ("thalamus", "caudate", "putamen", "pallidum", "accumbens", "hippocampus", "amygdala"),
    "lateral ventricles": ("lateral_ventricle",),
    "CSF": ("csf",),
}
SURE = 0.9  # probability; what is mixed with a neighbour in a voxel has less
LEAST_VOXELS = 50


def sure_tissues(segmenter: ScanSegmenter, image: MetaTensor) -> NDArray[np.uint8]:
    """The tissue of each voxel where its probability is at least ``SURE``.

    Args:
        segmenter: that of the collection.
        image: (1, D, H, W), a brain of any contrast, with its affine.

    Returns:
        (D, H, W): place in ``TISSUES``, beginning with 1; 0 elsewhere.

    Raises:
        ValueError: for an image that is constant or not finite.
    """
    voxels, affine = as_arrays(image)
    probabilities, own = segmenter.probabilities(voxels, affine)
    tissues = torch.stack([probabilities[[CLASS_INDEX[name] for name in names]].sum(0) for names in TISSUES.values()])
    found = np.zeros(voxels.shape, np.uint8)
    for first, slab in to_scan_grid(tissues, np.asarray(own.affine), voxels.shape, affine):
        highest, place = slab.max(0)
        labels = (place + 1) * (highest >= SURE)
        found[first : first + len(labels)] = labels.cpu().numpy().astype(np.uint8)
    return found


def as_arrays(image: MetaTensor) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Voxels (D, H, W) and affine (4, 4) of an image (1, D, H, W), as a :class:`ScanSegmenter` takes them."""
    voxels = plain_tensor(image)[0].detach().float().cpu().numpy()
    return voxels, np.asarray(image.affine.cpu(), dtype=np.float64)


def tissue_medians(volume: torch.Tensor, tissues: NDArray[np.uint8]) -> dict[str, tuple[float, int]]:
    """Median of an image in each tissue, and the number of voxels; without tissues of fewer than ``LEAST_VOXELS``.

    Args:
        volume: (D, H, W), any contrast.
        tissues: (D, H, W), of :func:`sure_tissues`.

    Raises:
        ValueError: if the shapes differ.
    """
    if tuple(volume.shape) != tissues.shape:
        raise ValueError(f"volume {tuple(volume.shape)} and tissues {tissues.shape} must be on one grid.")
    values = plain_tensor(volume).detach().float().cpu().numpy()
    inside = {name: values[tissues == place] for place, name in enumerate(TISSUES, start=1)}
    return {name: (float(np.median(one)), one.size) for name, one in inside.items() if one.size >= LEAST_VOXELS}
