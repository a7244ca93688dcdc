"""Diversity of a set of volumes, and likeness of two sets: mean multi-scale SSIM over pairs of different volumes.

Lower values mean more different volumes. The aim is the value of real volumes, not zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric

from brain_bundles.metrics.intervals import pairs_interval

# Wang, Simoncelli & Bovik 2003: the standard weights of five scales.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
Score = TypeVar("Score")


@dataclass(frozen=True)
class PairwiseMSSSIM:
    """Mean and (sample) standard deviation over the pairs, number of pairs, and kernel size.

    ``interval`` is that of the mean, see :func:`brain_bundles.metrics.intervals.pairs_interval`.
    """

    mean: float
    std: float
    num_pairs: int
    kernel_size: int
    interval: tuple[float, float]


def draw_pairs(num_items: int, num_pairs: int, seed: int) -> list[tuple[int, int]]:
    """Draw ``num_pairs`` different unordered pairs (i < j) of ``num_items`` volumes, or all pairs if there are fewer.

    Raises:
        ValueError: if there are fewer than two volumes or ``num_pairs`` is below 1.
    """
    total = math.comb(num_items, 2)
    if total == 0 or num_pairs < 1:
        raise ValueError(f"pairs need at least 2 volumes and num_pairs >= 1, got {num_items} and {num_pairs}.")
    rng = np.random.default_rng(seed)
    chosen = np.arange(total) if num_pairs >= total else np.sort(rng.choice(total, num_pairs, replace=False))
    first, second = np.triu_indices(num_items, k=1)
    return [(int(first[k]), int(second[k])) for k in chosen]


def draw_pairs_between(num_items: int, num_others: int, num_pairs: int, seed: int) -> list[tuple[int, int]]:
    """Draw ``num_pairs`` different pairs (i, j), i of ``num_items`` volumes and j of ``num_others``, or all pairs.

    Raises:
        ValueError: if a set is empty or ``num_pairs`` is below 1.
    """
    total = num_items * num_others
    if total == 0 or num_pairs < 1:
        raise ValueError(
            f"pairs need a volume of each set and num_pairs >= 1, got {num_items}, {num_others} and {num_pairs}."
        )
    rng = np.random.default_rng(seed)
    chosen = np.arange(total) if num_pairs >= total else np.sort(rng.choice(total, num_pairs, replace=False))
    return [(int(k) // num_others, int(k) % num_others) for k in chosen]


def check_size(spatial_size: tuple[int, ...], kernel_size: int) -> None:
    """Refuse volumes that are too small for five scales.

    Four halvings must leave at least one window: every side must be at least 16 * kernel_size (MONAI 1.6.1).

    Raises:
        ValueError: if a side is shorter; the message names the largest kernel size or the smallest side that works.
    """
    smallest = min(spatial_size)
    if smallest >= 16 * kernel_size:
        return
    largest = smallest // 16
    largest -= 1 - largest % 2
    works = f"kernel_size {largest} works" if largest >= 3 else "no kernel size works under 48 voxels a side"
    raise ValueError(
        f"MS-SSIM over five scales with kernel_size {kernel_size} needs {16 * kernel_size} voxels a side or more, "
        f"got {tuple(spatial_size)}; {works}."
    )


def ms_ssim_over_pairs(
    load: Callable[[int], torch.Tensor], num_items: int, *, num_pairs: int = 1000, seed: int = 0, kernel_size: int = 5
) -> PairwiseMSSSIM:
    """Mean MS-SSIM over random pairs of a set.

    Args:
        load: returns volume i as (D, H, W) or (1, D, H, W) in [0, 1]; called for each pair, so that a set need not fit
            into memory.
        num_items: number of volumes in the set.
        num_pairs: number of pairs to draw; all pairs if there are fewer.
        seed: seed of the draw.
        kernel_size: odd; 5 is the largest for the default grid of 80x96x80 (every side >= 16 * kernel_size). Results of
            different kernel sizes or grids cannot be compared.

    Raises:
        ValueError: if the set or its volumes are too small, volumes differ in shape, or values leave [0, 1].
    """
    return _mean_ms_ssim(load, load, draw_pairs(num_items, num_pairs, seed), kernel_size, between=False)


def ms_ssim_between(
    load: Callable[[int], torch.Tensor],
    num_items: int,
    load_other: Callable[[int], torch.Tensor],
    num_others: int,
    *,
    num_pairs: int = 1000,
    seed: int = 0,
    kernel_size: int = 5,
) -> PairwiseMSSSIM:
    """Mean MS-SSIM over random pairs of a volume of one set and a volume of another.

    Args:
        load, num_items: the first set, as for :func:`ms_ssim_over_pairs`.
        load_other, num_others: the second set.
        num_pairs, seed, kernel_size: as for :func:`ms_ssim_over_pairs`.

    Raises:
        ValueError: if a set is empty or its volumes are too small, volumes differ in shape, or values leave [0, 1].
    """
    pairs = draw_pairs_between(num_items, num_others, num_pairs, seed)
    return _mean_ms_ssim(load, load_other, pairs, kernel_size, between=True)


def _mean_ms_ssim(
    load_first: Callable[[int], torch.Tensor],
    load_second: Callable[[int], torch.Tensor],
    pairs: Sequence[tuple[int, int]],
    kernel_size: int,
    *,
    between: bool,
) -> PairwiseMSSSIM:
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}.")
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=kernel_size, weights=WEIGHTS)

    def compare(first: torch.Tensor, second: torch.Tensor) -> float:
        check_size(tuple(first.shape[2:]), kernel_size)
        return float(torch.as_tensor(metric(y_pred=first, y=second)))

    values = scores_over_pairs(load_first, load_second, pairs, compare)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    interval = pairs_interval(values, pairs, between=between)
    return PairwiseMSSSIM(float(np.mean(values)), std, len(values), kernel_size, interval)


def scores_over_pairs(
    load_first: Callable[[int], torch.Tensor],
    load_second: Callable[[int], torch.Tensor],
    pairs: Sequence[tuple[int, int]],
    compare: Callable[[torch.Tensor, torch.Tensor], Score],
) -> list[Score]:
    """``compare`` of each pair, which gets two volumes (1, 1, D, H, W), float32.

    Raises:
        ValueError: if volumes differ in shape, or values leave [0, 1].
    """
    scores: list[Score] = []
    shape, previous = None, (-1, torch.empty(0))
    for i, j in pairs:
        first = previous[1] if previous[0] == i else _volume(load_first, i)
        previous = (i, first)
        second = _volume(load_second, j)
        shape = shape or tuple(first.shape[2:])
        for index, volume in ((i, first), (j, second)):
            if tuple(volume.shape[2:]) != shape:
                raise ValueError(
                    f"volume {index} has shape {tuple(volume.shape[2:])}, the others {shape}; resample it."
                )
        scores.append(compare(first, second))
    return scores


def _volume(load: Callable[[int], torch.Tensor], index: int) -> torch.Tensor:
    """(1, 1, D, H, W) float32."""
    volume = torch.as_tensor(load(index), dtype=torch.float32)
    volume = volume.reshape(1, 1, *volume.shape[-3:])
    low, high = float(volume.min()), float(volume.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also NaN
        raise ValueError(f"volume {index} has values from {low:g} to {high:g}, expected [0, 1]; scale it.")
    return volume
