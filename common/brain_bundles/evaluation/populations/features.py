"""A few numbers that describe a brain image, by kind, so that a test on one kind says what tells two sets apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from brain_bundles.evaluation.populations.image_set import ImageSet
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.metrics.power_bands import band_power

# Kind -> names of its numbers.
KINDS = {
    "levels": ("CSF", "grey matter", "white matter", "log contrast to noise"),
    "detail": ("log power, low band", "log power, middle band", "log power, high band"),
    "mask": ("log volume", "length", "width", "height", "log surface", "level at the edge"),
    "volumes": ("log ventricles", "log brain"),
}
_EDGE_MM = 4.0


def describe_images(images: ImageSet, volumes: Sequence[BrainVolumes], spacing: float) -> dict[str, np.ndarray]:
    """Describe each image of a set by the numbers of :data:`KINDS`.

    Args:
        images: N images.
        volumes: measured volumes of the same people.
        spacing: voxel size of the images, mm.

    Returns:
        kind -> (N, numbers); NaN where one is not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = [(one.csf, one.grey, one.white, np.log(one.contrast_to_noise)) for one in images.levels]
        detail = [np.log(band_power(images.edges, power)) for power in images.power]
        sizes = np.log(np.array(volumes, dtype=float).reshape(-1, 2))
    masks = [
        _mask_numbers(mask.numpy(), volume.numpy(), spacing)
        for mask, volume in zip(images.masks, images.volumes, strict=True)
    ]
    kinds = {"levels": levels, "detail": detail, "mask": masks, "volumes": sizes}
    return {kind: np.where(np.isfinite(values), values, np.nan) for kind, values in kinds.items()}


def _mask_numbers(mask: np.ndarray, volume: np.ndarray, spacing: float) -> list[float]:
    """Size and outline of a brain mask, and the image's median where the mask ends: what brain extraction decides."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    width, length, height = (spacing * (side.stop - side.start) for side in box)
    layers = max(round(_EDGE_MM / spacing), 1)
    surface = mask & ~ndimage.binary_erosion(mask)
    edge = mask & ~ndimage.binary_erosion(mask, iterations=layers)
    volume_ml = float(mask.sum()) * spacing**3 / 1000
    surface_cm2 = float(surface.sum()) * spacing**2 / 100
    return [np.log(volume_ml), length, width, height, np.log(surface_cm2), float(np.median(volume[edge]))]
