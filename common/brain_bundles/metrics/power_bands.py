"""Power of a brain image in three bands of fine detail.

What a blurred, sharpened or noisy image has too little or too much of, compared with another set on the same grid.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# cycles/mm; periods of 9 to 5 mm. On a grid of 2 mm the highest frequency of an axis is 0.25.
BANDS = ((0.11, 0.14), (0.14, 0.17), (0.17, 0.20))
BIN = 0.01  # width of the bins of the radial average, cycles/mm


def radial_power(volume: np.ndarray, mask: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Radially averaged power spectrum of the brain in a volume.

    The volume is set to 0 outside of the mask and tapered by a Hann window over the mask's bounding box. The power is
    divided by that of the window, so brains of different size can be compared.

    Args:
        volume: (D, H, W), any intensity scale.
        mask: (D, H, W), True in the brain.
        spacing: edge of the isotropic voxels, mm.

    Returns:
        lower edges of the bins (N,), cycles/mm, up to the highest frequency of an axis; mean power in each (N,).

    Raises:
        ValueError: if the mask is empty, or shapes differ.
    """
    if volume.shape != mask.shape or not mask.any():
        raise ValueError(f"the mask must be of the volume's shape {volume.shape} and not empty, got {mask.shape}.")
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    inside = np.where(mask, volume, 0)[box].astype(np.float64)
    # Without its two zeros at the ends, so that a brain of one voxel has a window, too.
    x, y, z = (np.hanning(n + 2)[1:-1] for n in inside.shape)
    window = x[:, None, None] * y[:, None] * z
    power = np.abs(np.fft.rfftn(inside * window)) ** 2 / (window**2).sum()
    fx, fy, fz = (np.fft.fftfreq(n, spacing) for n in inside.shape)
    frequency = np.sqrt(fx[:, None, None] ** 2 + fy[:, None] ** 2 + np.abs(fz[: power.shape[2]]) ** 2)
    # The half spectrum has each frequency off its end planes once instead of twice.
    weight = np.full(power.shape[2], 2.0)
    weight[0] = 1
    if inside.shape[2] % 2 == 0:
        weight[-1] = 1
    # Rounded, since 0.14 / 0.01 is a little more than 14, and 0.57 / 0.01 a little less than 57.
    number = round(0.5 / spacing / BIN, 6)
    index = np.floor(np.round(frequency / BIN, 6)).astype(int)
    counted = index < int(number)
    weights = np.broadcast_to(weight, power.shape)[counted]
    total = np.bincount(index[counted], weights * power[counted], int(number))
    count = np.bincount(index[counted], weights, int(number))
    return BIN * np.arange(int(number)), total / np.maximum(count, 1)


def band_power(edges: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Sums of a radial spectrum over :data:`BANDS`.

    Args:
        edges: lower edges of the bins (N,), as of :func:`radial_power`.
        power: power in each bin (N,).

    Returns:
        (3,); NaN for a band that the grid does not resolve.
    """
    at = np.round(edges, 6)
    sums = []
    for low, high in BANDS:
        inside = (at >= low) & (at < high)
        resolved = at.size > 0 and at[-1] + BIN >= high - 1e-6
        sums.append(float(power[inside].sum()) if resolved else float("nan"))
    return np.array(sums)
