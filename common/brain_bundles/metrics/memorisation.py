"""Test for copies of the training set: nearest training neighbours of generated brains, beside held-out brains.

A simple variant of Dar et al. 2025 (Nat. Biomed. Eng.). They correlate features of a contrastive encoder; we correlate
the smoothed images. This needs no trained network, and finds copies of the image, not of its anatomy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

_PERCENTILE = 95.0


@dataclass(frozen=True)
class Memorisation:
    """Similarity of generated and held-out brains to the training set.

    Attributes:
        generated: (G,) correlation of each generated brain with its best-correlated training brain.
        generated_nearest: (G,) index of that training brain.
        held_out: (H,) the same correlation for brains that the generator never saw.
        threshold: 95th percentile of ``held_out``; unseen brains are seldom nearer.
        share_above: share of generated brains above the threshold; 0.05 for unseen brains by construction.
    """

    generated: np.ndarray
    generated_nearest: np.ndarray
    held_out: np.ndarray
    threshold: float
    share_above: float


def describe(volume: torch.Tensor, size: int = 20) -> torch.Tensor:
    """Describe a volume by block means, as a unit vector: the dot product of two is the correlation of the volumes.

    Args:
        volume: (D, H, W) or (1, D, H, W), any intensity scale.
        size: cells along the longest axis; 20 are about 10 mm each, coarser than gyri, so that noise does not count.

    Raises:
        ValueError: if the volume is constant or not finite: it correlates with nothing.
    """
    coarse = block_means(volume, size)
    coarse = coarse - coarse.mean()
    norm = coarse.norm()
    if not norm > 1e-6 * (1 + volume.abs().max()):  # also NaN
        raise ValueError("a volume is constant or not finite; it has no correlation with others.")
    return coarse / norm


def block_means(volume: torch.Tensor, size: int = 20) -> torch.Tensor:
    """Means of blocks of a volume (D, H, W) or (1, D, H, W), ``size`` of them along the longest axis; (F,) float64."""
    spatial = volume.shape[-3:]
    d, h, w = (max(round(n * size / max(spatial)), 1) for n in spatial)
    return functional.adaptive_avg_pool3d(volume.float().reshape(1, 1, *spatial), (d, h, w)).flatten().double()


def memorisation(
    generated: Sequence[torch.Tensor] | torch.Tensor,
    training: Sequence[torch.Tensor] | torch.Tensor,
    held_out: Sequence[torch.Tensor] | torch.Tensor,
) -> Memorisation:
    """Compare nearest training neighbours of generated brains with those of held-out brains.

    The mean of the training set is subtracted first: without this, all brains correlate near 1.

    Args:
        generated: G vectors from :func:`describe`.
        training: T vectors of the brains that the generator was trained on.
        held_out: H vectors of brains of the same population that the generator was not trained on.

    Raises:
        ValueError: if a set is empty, training has one brain only, or the vectors differ in length.
    """
    if not len(generated) or len(training) < 2 or not len(held_out):
        raise ValueError(
            "memorisation needs at least 1 generated, 2 training and 1 held-out brain, got "
            f"{len(generated)}, {len(training)} and {len(held_out)}."
        )
    sets = [np.stack([np.asarray(v, dtype=np.float64) for v in s]) for s in (generated, training, held_out)]
    if len({s.shape[1] for s in sets}) > 1:
        raise ValueError(f"vectors differ in length: {[s.shape[1] for s in sets]}; describe volumes of one grid.")
    mean = sets[1].mean(0)
    units = [(s - mean) / np.maximum(np.linalg.norm(s - mean, axis=1, keepdims=True), 1e-12) for s in sets]
    made, unseen = units[0] @ units[1].T, units[2] @ units[1].T
    best = made.max(1)
    share, threshold = share_above(best, unseen.max(1))
    return Memorisation(best, made.argmax(1), unseen.max(1), threshold, share)


def share_above(generated: np.ndarray, held_out: np.ndarray) -> tuple[float, float]:
    """Share of generated brains (G,) above the threshold, which is a percentile of held-out ones (H,), and that."""
    threshold = float(np.percentile(held_out, _PERCENTILE))
    return float((generated > threshold).mean()), threshold
