"""Structural similarity of two volumes: the SSIM map, and MS-SSIM over five scales.

The definitions and the results are MONAI's (``compute_ssim_and_cs``, ``MultiScaleSSIMMetric``). MONAI 1.6.1 convolves
with all k^3 taps of the window. A Gaussian is a product of three lines of k taps, some twenty times faster on a CPU:
0.3 s instead of 8 s for 80x96x80 voxels and k = 7 on one thread.
"""

from __future__ import annotations

import torch

from brain_bundles.metrics.ms_ssim_pairs import WEIGHTS, check_size

SIGMA = 1.5  # voxels, Wang et al. 2004
K1, K2 = 0.01, 0.03


def gaussian_means(volumes: torch.Tensor, kernel_size: int) -> torch.Tensor:
    """Gaussian means over windows that lie inside: (N, D, H, W) -> (N, D - k + 1, H - k + 1, W - k + 1)."""
    distance = torch.arange(kernel_size, dtype=torch.float64) - (kernel_size - 1) / 2
    line = torch.exp(-0.5 * (distance / SIGMA) ** 2)
    taps = (line / line.sum()).tolist()
    for axis in (1, 2, 3):
        length = volumes.shape[axis] - kernel_size + 1
        # Shifted sums: torch's own conv3d gathers all windows in memory first, and is slower.
        blurred = volumes.narrow(axis, 0, length) * taps[0]
        for shift, tap in enumerate(taps[1:], 1):
            blurred.add_(volumes.narrow(axis, shift, length), alpha=tap)
        volumes = blurred
    return volumes


def ssim_maps(
    prediction: torch.Tensor, target: torch.Tensor, *, kernel_size: int = 7, data_range: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """SSIM of every window, and its factor of contrast and structure.

    Wang, Bovik, Sheikh & Simoncelli 2004, with a Gaussian window of 1.5 voxels and no padding.

    Args:
        prediction: (D, H, W).
        target: (D, H, W).
        kernel_size: k, the window's side in voxels, odd.
        data_range: span of the intensities.

    Returns:
        (ssim, contrast), each (D - k + 1, H - k + 1, W - k + 1) and float32.

    Raises:
        ValueError: if the window is even or larger than the volumes.
    """
    if kernel_size < 3 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and at least 3, got {kernel_size}.")
    if min(target.shape) < kernel_size:
        raise ValueError(f"SSIM with kernel_size {kernel_size} needs as many voxels a side, got {tuple(target.shape)}.")
    a, b = prediction.float(), target.float()
    mean_a, mean_b, aa, bb, ab = gaussian_means(torch.stack([a, b, a * a, b * b, a * b]), kernel_size).unbind()
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    covariance = ab - mean_a * mean_b
    variances = (aa - mean_a**2) + (bb - mean_b**2)
    contrast = (2 * covariance + c2) / (variances + c2)
    return (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * contrast, contrast


def ms_ssim(prediction: torch.Tensor, target: torch.Tensor, *, kernel_size: int = 5, data_range: float = 1.0) -> float:
    """Multi-scale SSIM of two volumes, Wang, Simoncelli & Bovik 2003, with their weights of five scales.

    Args:
        prediction: (D, H, W).
        target: (D, H, W).
        kernel_size: the window's side in voxels, odd; every side of the volumes needs 16 times as many.
        data_range: span of the intensities.

    Raises:
        ValueError: if the window is even, or too large for the volumes.
    """
    check_size(tuple(target.shape), kernel_size)
    volumes = torch.stack([prediction.float(), target.float()])
    result = 1.0
    for scale, weight in enumerate(WEIGHTS, 1):
        ssim, contrast = ssim_maps(volumes[0], volumes[1], kernel_size=kernel_size, data_range=data_range)
        # Contrast alone, except at the coarsest scale. A negative mean has no real power; it counts as no similarity.
        value = (ssim if scale == len(WEIGHTS) else contrast).mean(dtype=torch.float64)
        result *= max(float(value), 0.0) ** weight
        volumes = torch.nn.functional.avg_pool3d(volumes, kernel_size=2)
    return result
