"""Levels of white matter, grey matter and CSF in an image of any contrast, its noise, and its contrast-to-noise ratio.

The tissues are found in the T1w image of the same person on the same grid. Arrays are (D, H, W).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from brain_bundles.metrics.tissue import fit_tissue_model, remove_bias

CSF, GREY, WHITE = 1, 2, 3
# A voxel is pure if it is nearer to a tissue's intensity than a quarter of the way to the next tissue.
_PURE = 0.25
_LEAST_VOXELS = 50


@dataclass(frozen=True)
class TissueLevels:
    """Medians of an image in the pure voxels of each tissue, in its own units; NaN where there are too few.

    Attributes:
        csf, grey, white: the levels.
        noise: standard deviation of what a white-matter voxel has beyond the mean of its six neighbours, scaled to
            that of independent noise. Interpolation lowers it, texture raises it.
    """

    csf: float
    grey: float
    white: float
    noise: float

    @property
    def contrast_to_noise(self) -> float:
        """Difference between white and grey matter in units of the noise; NaN where one is not known."""
        return abs(self.white - self.grey) / self.noise if self.noise > 0 else float("nan")


def pure_tissues(t1: np.ndarray, mask: np.ndarray, spacing: float) -> np.ndarray:
    """Voxels of a T1w image that are surely one tissue.

    The intensities of the tissues come from a histogram model with partial volume, see
    :func:`brain_bundles.metrics.tissue.fit_tissue_model`, after removal of the bias field.

    Args:
        t1: (D, H, W), brain-extracted T1w, any intensity scale.
        mask: (D, H, W), True in the brain.
        spacing: edge of the isotropic voxels, mm.

    Returns:
        (D, H, W) of uint8: 1 CSF, 2 grey matter, 3 white matter, 0 for mixed voxels, the outermost layer of the brain
        and everything outside.

    Raises:
        UnmeasurableError: if the histogram is not that of a T1w brain.
    """
    inner = ndimage.binary_erosion(mask)
    even = remove_bias(t1, mask, fit_tissue_model(t1[inner]), spacing)
    model = fit_tissue_model(even[inner])
    below, above = _PURE * (model.gm - model.csf), _PURE * (model.wm - model.gm)
    labels = np.zeros(t1.shape, np.uint8)
    labels[even < model.csf + below] = CSF
    labels[(even > model.gm - below) & (even < model.gm + above)] = GREY
    labels[even > model.wm - above] = WHITE
    labels[~inner] = 0
    return labels


def tissue_levels(volume: np.ndarray, tissues: np.ndarray) -> TissueLevels:
    """Levels and noise of an image, given the pure voxels of its tissues.

    Args:
        volume: (D, H, W), any contrast.
        tissues: (D, H, W), of :func:`pure_tissues`.

    Raises:
        ValueError: if the shapes differ.
    """
    if volume.shape != tissues.shape:
        raise ValueError(f"volume {volume.shape} and tissues {tissues.shape} must be on one grid.")
    csf, grey, white = (_median(volume[tissues == label]) for label in (CSF, GREY, WHITE))
    deep = ndimage.binary_erosion(tissues == WHITE)  # a voxel and its six neighbours are white matter
    if deep.sum() < _LEAST_VOXELS:
        return TissueLevels(csf, grey, white, float("nan"))
    star = ndimage.generate_binary_structure(3, 1).astype(np.float32)
    around = (ndimage.convolve(volume.astype(np.float32), star, mode="nearest") - volume) / 6
    beyond = (volume - around)[deep]
    # 1.4826: from the median absolute deviation to a normal distribution's standard deviation. 6 / 7: the variance of
    # independent noise less that of the mean of six neighbours.
    spread = 1.4826 * float(np.median(np.abs(beyond - np.median(beyond))))
    return TissueLevels(csf, grey, white, spread * (6 / 7) ** 0.5)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size >= _LEAST_VOXELS else float("nan")
