"""Borders by the scan's own intensities: the network says where a structure may be, the scan says where it ends."""

from __future__ import annotations

import torch

from brain_bundles.data.brain_classes import classes_of
from brain_bundles.transforms.smooth_channels import smooth_channels
from brain_bundles.utils.plain_tensor import plain_tensor

ITERATIONS = 8
SMOOTHING = 1.0  # voxels: how far a border may move
RARE = 1e-3  # share of the brain that each structure may have anywhere
BACKGROUND_LEVELS = (0.1, 0.5, 0.9)  # quantiles: what surrounds the brain is air, bone and soft tissue
MARGIN = 4  # voxels around the brain that are looked at
# In units of the variance in and around the brain: the least of a structure, and that of a structure of no voxel.
LEAST_VARIANCE, USUAL_VARIANCE, USUAL_VOXELS = 2e-3, 0.05, 20.0
# Ventricles and sulci hold one fluid, and noise is the same everywhere: what the structures have in common counts as so
# many voxels.
SHARED_VOXELS = 3000.0
FLUID = classes_of(tissue=("ventricle", "csf"))


def refine_by_intensity(
    probabilities: torch.Tensor, image: torch.Tensor, *, iterations: int = ITERATIONS, smoothing: float = SMOOTHING
) -> torch.Tensor:
    """Probabilities whose borders follow the intensities of the image, (C, D, H, W) float32.

    Each structure gets a level and a spread in this very image, the surroundings get three; both are found by
    expectation maximisation, with the smoothed probabilities as what is known beforehand. Levels of all fluids are
    drawn together, and so are all spreads. Where structures look alike, the network's probabilities stay.

    Args:
        probabilities: (C, D, H, W) of the segmenter's classes, sum 1 in each voxel.
        image: (D, H, W) or (1, D, H, W) on the same grid, of any contrast.
        iterations: steps of the expectation maximisation.
        smoothing: standard deviation of the smoothing of the probabilities, voxels.

    Raises:
        ValueError: for an image on another grid.

    Source: Van Leemput et al. 1999, IEEE Transactions on Medical Imaging 18 (10); Ashburner and Friston 2005,
    NeuroImage 26 (3), section 2; adaptive to any contrast as Puonti et al. 2016, NeuroImage 143.
    """
    probabilities = plain_tensor(probabilities).float()
    image = plain_tensor(image).float().to(probabilities.device)
    if image.numel() != probabilities[0].numel() or image.shape[-3:] != probabilities.shape[-3:]:
        raise ValueError(f"the image has {tuple(image.shape)} voxels, the probabilities {tuple(probabilities.shape)}.")
    near = _dilate(probabilities[:1] < 0.5)[0]
    if not bool(near.any()):
        return probabilities
    prior = smooth_channels(probabilities, smoothing)[:, near]
    prior[1:] += RARE * (1 - prior[:1])
    prior /= prior.sum(0)
    levels = image.reshape(near.shape)[near]
    refined = probabilities.clone()
    refined[:, near] = _mixture(prior, probabilities[:, near], levels, iterations)
    return refined


def _dilate(mask: torch.Tensor) -> torch.Tensor:
    """The mask (1, D, H, W) and ``MARGIN`` voxels around it; a cube is a line along each axis, one after the other."""
    found = mask[None].float()
    for axis in range(3):
        margin = [MARGIN if one == axis else 0 for one in range(3)]
        found = torch.nn.functional.max_pool3d(found, [2 * one + 1 for one in margin], 1, margin)
    return found[0] > 0


def _mixture(prior: torch.Tensor, first: torch.Tensor, levels: torch.Tensor, iterations: int) -> torch.Tensor:
    """Probabilities (C, N) of the classes of N voxels; ``first`` (C, N) are those that it starts from."""
    variance = float(levels.var()) + 1e-8
    levels = (levels - levels.mean()) / variance**0.5
    powers = torch.stack([torch.ones_like(levels), levels, levels**2])
    # The background is a mixture of its own: its components come before the other classes.
    number = len(BACKGROUND_LEVELS)
    fluid = [index + number - 1 for index in FLUID if index < len(prior)]
    known = torch.cat([prior[:1].expand(number, -1), prior[1:]])
    shares = torch.ones(len(known), device=prior.device)
    components = torch.cat([_by_level(levels, first[:1]), first[1:]])
    for _ in range(iterations):
        count, mean, spread = _moments(components, powers, fluid)
        shares[:number] = (count[:number] + 1e-3) / (count[:number] + 1e-3).sum()
        # log of share * N(level; mean, spread), a quadratic in the level
        constant = shares.log() - spread.log() / 2 - mean**2 / (2 * spread)
        density = torch.stack([constant, mean / spread, -1 / (2 * spread)], 1) @ powers
        components = known * (density - density.amax(0)).exp() + 1e-12 * known
        components /= components.sum(0)
    return torch.cat([components[:number].sum(0, keepdim=True), components[number:]])


def _by_level(levels: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """The background's probability (1, N), given to the nearest of its first levels: (3, N)."""
    outside = levels[background[0] > 0.5]
    outside = levels if len(outside) == 0 else outside
    order = outside.sort().values
    centres = torch.stack([order[int(share * (len(order) - 1))] for share in BACKGROUND_LEVELS])
    nearest = (levels[None] - centres[:, None]).abs().argmin(0)
    return torch.nn.functional.one_hot(nearest, len(centres)).T * background


def _moments(
    weights: torch.Tensor, powers: torch.Tensor, fluid: list[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sum of weights, mean and variance of the level of each component."""
    sums = (weights @ powers.T).T  # of 1, level, level ** 2
    shared = sums[:, fluid].sum(1)
    drawn = sums.clone()
    drawn[:, fluid] += SHARED_VOXELS * (shared / (shared[0] + 1e-3))[:, None]
    count, first, second = drawn
    mean = first / (count + 1e-3)
    spread = (second - mean * first).clamp(min=0)
    spread = (spread + USUAL_VOXELS * USUAL_VARIANCE) / (count + USUAL_VOXELS)
    inner = slice(len(BACKGROUND_LEVELS), None)
    pooled = (count[inner] * spread[inner]).sum() / (count[inner].sum() + 1e-3)
    spread[inner] = (count[inner] * spread[inner] + SHARED_VOXELS * pooled) / (count[inner] + SHARED_VOXELS)
    return sums[0], mean, spread.clamp(min=LEAST_VARIANCE)
