"""4-G-R-SSIM: structural similarity of gradients, averaged over four regions of the content.

The name: 4 regions (Li & Bovik 2010, Signal Process. Image Commun. 25:517), contrast and structure of the Gradient
(Chen, Yang & Xie 2006, ICIP, 2929), the rules of Rouse & Hemami 2008 (Proc. SPIE 6806, 68060L) for flat windows. As a
family of metrics in Prieto Renieblas et al. 2017, J. Med. Imaging 4:035501.

Papers that report it, Pinaya et al. 2022 (arXiv 2209.07162) among them, do not print their parameters, so values of
different programs cannot be compared. This is the form in three dimensions with windows of 11 voxels.
"""

from __future__ import annotations

import torch

from brain_bundles.metrics.ssim import K1, K2, gaussian_means

WINDOW = 11  # voxels, with SIGMA of ssim.py
PRESERVED, CHANGED, SMOOTH, TEXTURE = range(4)
# Shares of the largest gradient of the first volume: an edge is above, a smooth place below.
_EDGE, _SMOOTH = 0.12, 0.06
_GUARD = 1e-5  # keeps roots away from negative variances, which rounding gives
_MARGIN = WINDOW // 2


def gradient_magnitude(volume: torch.Tensor) -> torch.Tensor:
    """Sum of the absolute derivatives along the three axes, per voxel: (D, H, W) -> (D - 2, H - 2, W - 2).

    A derivative is the difference of two planes of 3x3 voxels, two voxels apart, weighted 0.05 and 0.1 in the middle:
    a ramp of slope 1 along an axis has the gradient 1.
    """
    total = torch.zeros(tuple(n - 2 for n in volume.shape), dtype=volume.dtype, device=volume.device)
    for axis in range(3):
        length = volume.shape[axis] - 2
        difference = volume.narrow(axis, 2, length) - volume.narrow(axis, 0, length)
        middle, mean = difference, difference
        for other in {0, 1, 2} - {axis}:
            inner = volume.shape[other] - 2
            mean = mean.narrow(other, 0, inner) + mean.narrow(other, 1, inner) + mean.narrow(other, 2, inner)
            middle = middle.narrow(other, 1, inner)
        total += (0.05 * (mean + middle)).abs()
    return total


def content_regions(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Region of each voxel by the gradients of both volumes: PRESERVED, CHANGED, SMOOTH or TEXTURE, int8.

    An edge is above 0.12 of the largest gradient of the *first* volume. Edges of both are preserved, edges of one are
    changed. Of the rest, voxels below 0.06 of it in the first volume are smooth, the others texture.

    Args:
        first, second: gradients (D, H, W) of :func:`gradient_magnitude`.
    """
    edge, smooth = _EDGE * first.max(), _SMOOTH * first.max()
    in_first, in_second = first > edge, second > edge
    regions = torch.full(first.shape, TEXTURE, dtype=torch.int8, device=first.device)
    regions[first < smooth] = SMOOTH  # but for edges of the second volume, which are marked after it
    regions[in_first | in_second] = CHANGED
    regions[in_first & in_second] = PRESERVED
    return regions


def similarity_map(
    volumes: tuple[torch.Tensor, torch.Tensor],
    gradients: tuple[torch.Tensor, torch.Tensor],
    *,
    data_range: float = 1.0,
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> torch.Tensor:
    """Luminance, contrast and structure of every window, multiplied: (D, H, W) -> (D - 12, H - 12, W - 12).

    Luminance is that of the volumes, contrast and structure are those of their gradients. Where the gradient of exactly
    one volume is 0 in a whole window the structure is 0, where both are it is 1 (Rouse & Hemami).

    Args:
        volumes: two of (D, H, W).
        gradients: their :func:`gradient_magnitude`.
        data_range, exponents: as for :func:`four_gr_ssim`.
    """
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    x, y = (volume[1:-1, 1:-1, 1:-1] for volume in volumes)
    gx, gy = gradients
    stack = torch.stack([x, y, gx, gy, gx * gx, gy * gy, gx * gy])
    mean_x, mean_y, mean_gx, mean_gy, square_x, square_y, product = gaussian_means(stack, WINDOW).unbind()
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    variance_x, variance_y = (
        (square - mean**2 + 0.5 * _GUARD * (square + mean**2)).clamp_min(0)
        for square, mean in ((square_x, mean_gx), (square_y, mean_gy))
    )
    sigma_x, sigma_y = variance_x.sqrt(), variance_y.sqrt()
    contrast = (2 * sigma_x * sigma_y + c2) / (variance_x + variance_y + c2)
    structure = (product - mean_gx * mean_gy + c2 / 2) / (sigma_x * sigma_y + c2 / 2)
    flat_x, flat_y = square_x == 0, square_y == 0
    structure = structure.masked_fill(flat_x ^ flat_y, 0.0).masked_fill(flat_x & flat_y, 1.0)
    alpha, beta, gamma = exponents
    # A negative structure has no real power but 1.
    structure = structure if gamma == 1 else structure.clamp_min(0) ** gamma
    return luminance**alpha * contrast**beta * structure


def four_gr_ssim(
    first: torch.Tensor,
    second: torch.Tensor,
    *,
    data_range: float = 1.0,
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> float:
    """4-G-R-SSIM of two volumes: the mean over four regions of their mean similarity, 0 to 1.

    It depends on the order: the first volume sets the limits of the regions. Report both orders, or their mean. A
    region without voxels leaves its weight to the others.

    Args:
        first: (D, H, W), at least 13 voxels a side.
        second: of the same shape.
        data_range: span of the intensities.
        exponents: of luminance, contrast and structure. (0, 0, 1) is the structure alone, as Rouse & Hemami advise.

    Raises:
        ValueError: if the shapes differ, a side is too short, or an exponent is negative.
    """
    if first.ndim != 3 or first.shape != second.shape or min(first.shape) < WINDOW + 2:
        raise ValueError(
            f"4-G-R-SSIM needs two volumes (D, H, W) of one shape with {WINDOW + 2} voxels a side or more, got "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    if min(exponents) < 0:
        raise ValueError(f"exponents must not be negative, got {exponents}.")
    volumes = first.float(), second.float()
    gradients = gradient_magnitude(volumes[0]), gradient_magnitude(volumes[1])
    similarity = similarity_map(volumes, gradients, data_range=data_range, exponents=exponents)
    inside = slice(_MARGIN, -_MARGIN)
    regions = content_regions(*gradients)[inside, inside, inside]
    means = [float(similarity[regions == one].mean(dtype=torch.float64)) for one in regions.unique()]
    return max(sum(means) / len(means), 0.0)
