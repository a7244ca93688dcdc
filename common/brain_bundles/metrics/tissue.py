"""Brain mask, tissue intensities and partial-volume fractions of a brain-extracted T1w volume.

Arrays are (D, H, W): after reorientation to RAS they run to the right, to the front and to the top. SciPy comes with
the extra ``phantom``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, special

# Half-width of the smoothing of the bias field: coils vary over many centimetres, anatomy over a few.
_BIAS_SIGMA_MM = 28.0
# Position of grey matter between CSF (0) and white matter (1) in T1w contrast. At 2 mm few voxels are pure grey matter
# and the histogram says little. So the likelihood gets this prior, as strong as 2 % of all voxels. 0.62 makes
# the tissue volume right in the phantoms (exactly 0.62) and in 15 scans of older adults (0.64).
_GM_POSITION, _GM_POSITION_SD, _GM_PRIOR_WEIGHT = 0.62, 0.05, 0.02


class UnmeasurableError(ValueError):
    """Raised for a volume that cannot be measured as a brain-extracted T1w; the message says why."""


@dataclass(frozen=True)
class TissueModel:
    """Intensities of the pure tissues of a T1w volume, in the volume's own units: csf < gm < wm."""

    csf: float
    gm: float
    wm: float


def brain_mask(image: np.ndarray, spacing: float) -> np.ndarray:
    """Mask of the brain in a brain-extracted volume with everything inside it, ventricles included.

    Args:
        image: (D, H, W), background near zero and darker than the brain, as brain extraction or a generator leaves it.
        spacing: edge of the isotropic voxels in mm.

    Returns:
        boolean (D, H, W): the largest bright object, closed over 4 mm and filled.

    Raises:
        UnmeasurableError: if the volume is constant, or nothing stands out from its background.
    """
    background = float(np.median(np.concatenate([np.take(image, [0, -1], axis).ravel() for axis in range(3)])))
    bright = float(np.percentile(image, 99.5))
    if not bright > background:
        raise UnmeasurableError(f"no brain stands out: background {background:.4g}, 99.5th percentile {bright:.4g}")
    # A tenth of the range is below the CSF of every T1w sequence we know (CSF / white matter is about 0.2) and above
    # the haze that an autoencoder leaves around a brain.
    bright_voxels = image > background + 0.1 * (bright - background)
    labels, count = ndimage.label(bright_voxels)
    if count == 0:
        raise UnmeasurableError("no brain stands out from the background")
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    width = max(round(4.0 / spacing), 1)
    closed = ndimage.binary_closing(np.pad(largest, width), iterations=width)[(slice(width, -width),) * 3]
    return ndimage.binary_fill_holes(closed)


def _mixture_densities(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Densities of three pure tissues and of the voxels that mix two of them. (N,) -> (N, 7).

    Pure tissues are Gaussian. The density of the tissue share in mixed voxels rises or falls linearly over [0, 1], plus
    the noise of the image. Cortex is thick and sulci are thin, so most voxels of CSF and grey matter are nearly grey
    matter. A uniform density would lower the grey-matter intensity.
    """
    csf, gm, wm, csf_sd, sd = parameters

    def normal(z: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)

    def rising_and_falling(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        above, below = (values - low) / sd, (values - high) / sd
        uniform = (special.ndtr(above) - special.ndtr(below)) / (high - low)
        rising = (
            2 / (high - low) ** 2 * ((values - low) * (high - low) * uniform + sd * (normal(above) - normal(below)))
        )
        return rising, 2 * uniform - rising

    pure = (normal((values - mean) / width) / width for mean, width in ((csf, csf_sd), (gm, sd), (wm, sd)))
    return np.stack([*pure, *rising_and_falling(csf, gm), *rising_and_falling(gm, wm)], axis=1)


def fit_tissue_model(values: np.ndarray, csf: float | None = None) -> TissueModel:
    """Tissue intensities by maximum likelihood on the histogram, with partial-volume classes.

    Without the mixed classes the mean of the few CSF voxels is dragged far towards grey matter at 2 mm.

    Args:
        values: (N,) intensities of the brain's voxels, preferably without its outermost layer.
        csf: intensity of CSF; None fits it as well. This is less sure, because most CSF of a young brain lies in sulci
            that are narrower than a voxel.

    Raises:
        UnmeasurableError: if there are too few voxels or no spread.

    Source: partial-volume histogram model after Santago & Gage 1993 (IEEE TMI 12:566) and Tohka et al. 2004.
    """
    if values.size < 1000:
        raise UnmeasurableError(f"only {values.size} brain voxels")
    low, high = np.percentile(values, [0.5, 99.9])
    if not high > low:
        raise UnmeasurableError("the brain has one single intensity")
    histogram, edges = np.histogram(values, 128, (low, high))
    centres = ((edges[1:] + edges[:-1]) / 2 - low) / (high - low)
    histogram = histogram / histogram.sum()

    known = None if csf is None else (csf - low) / (high - low)

    def negative_log_likelihood(free: np.ndarray) -> float:
        parameters = free if known is None else np.r_[known, free]
        fluid, gm, wm, csf_sd, sd = parameters
        # A known CSF may be darker than nearly all voxels: small ventricles are less than the 0.5 % that are cut off.
        if known is None and fluid <= -0.1:
            return 1e3
        if not (fluid < gm - 0.1 and gm < wm - 0.08 and wm < 1 and 0.01 < csf_sd <= 1.5 * sd and sd < 0.15):
            return 1e3
        densities = _mixture_densities(centres, parameters)
        weights = np.full(densities.shape[1], 1 / densities.shape[1])
        for _ in range(30):  # EM for the weights alone: convex, and 30 steps come within 1e-4 of the optimum
            joint = densities * weights
            weights = (joint / (joint.sum(1, keepdims=True) + 1e-12) * histogram[:, None]).sum(0)
        prior = ((gm - fluid) / (wm - fluid) - _GM_POSITION) / _GM_POSITION_SD
        likelihood = histogram @ np.log((densities * weights).sum(1) + 1e-12)
        return float(0.5 * _GM_PRIOR_WEIGHT * prior**2 - likelihood)

    start = np.array([0.12, 0.58, 0.85, 0.05, 0.06] if known is None else [0.58, 0.85, 0.05, 0.06])
    options = {"maxfev": 400, "xatol": 1e-3, "fatol": 1e-6}
    best = optimize.minimize(negative_log_likelihood, start, method="Nelder-Mead", options=options).x
    if negative_log_likelihood(best) >= 1e3:
        raise UnmeasurableError(
            "its histogram does not have the CSF, grey and white matter of a T1w volume in this order"
        )
    gm, wm = (float(low + (high - low) * value) for value in best[-4:-2])
    return TissueModel(float(low + (high - low) * best[0]) if csf is None else csf, gm, wm)


def remove_bias(image: np.ndarray, mask: np.ndarray, model: TissueModel, spacing: float) -> np.ndarray:
    """Divide the image by a smooth field, so that grey and white matter get the model's intensities.

    (D, H, W) -> (D, H, W). The field is the smoothed log ratio of measured to expected intensity in voxels that are
    surely tissue. It is estimated at half resolution, because it is smooth.
    """
    coarse, inside = image[::2, ::2, ::2], mask[::2, ::2, ::2]
    width = (model.wm - model.gm) / 3
    odds = np.exp(np.clip(((coarse - model.gm) ** 2 - (coarse - model.wm) ** 2) / (2 * width**2), -30, 30))
    expected = (model.gm + odds * model.wm) / (1 + odds)
    weight = (inside & (coarse > (model.csf + 2 * model.gm) / 3)).astype(np.float32)
    ratio = np.log(np.where(weight > 0, coarse, 1.0) / np.where(weight > 0, expected, 1.0)).astype(np.float32)
    sigma = _BIAS_SIGMA_MM / (2 * spacing)
    field = ndimage.gaussian_filter(ratio * weight, sigma, truncate=2.5) / (
        ndimage.gaussian_filter(weight, sigma, truncate=2.5) + 1e-3
    )
    fine = ndimage.zoom(field, [n / m for n, m in zip(image.shape, field.shape, strict=True)], order=1, grid_mode=False)
    return np.where(mask, image / np.exp(fine), image).astype(np.float32)


def csf_fraction(image: np.ndarray, mask: np.ndarray, model: TissueModel) -> np.ndarray:
    """Share of CSF in each voxel, seen as a mixture of CSF and grey matter; 1 outside the brain. (D, H, W)."""
    tissue = np.clip((image - model.csf) / (model.gm - model.csf), 0.0, 1.0)
    return np.where(mask, 1.0 - tissue, 1.0).astype(np.float32)
