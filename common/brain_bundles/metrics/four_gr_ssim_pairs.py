"""Diversity of a set of volumes, and likeness of two sets, by 4-G-R-SSIM over pairs, in both orders of each pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brain_bundles.metrics.four_gr_ssim import four_gr_ssim
from brain_bundles.metrics.intervals import pairs_interval
from brain_bundles.metrics.ms_ssim_pairs import draw_pairs, draw_pairs_between, scores_over_pairs


@dataclass(frozen=True)
class PairwiseFourGRSSIM:
    """Means over the pairs, in both orders.

    Attributes:
        mean: mean of both orders.
        std: (sample) standard deviation over the pairs, of the mean of both orders of each.
        forward: mean with the first volume of each pair as the one that sets the regions.
        backward: mean with the second one in that place.
        num_pairs: number of pairs.
        exponents: of luminance, contrast and structure.
        interval: of the mean, see :func:`brain_bundles.metrics.intervals.pairs_interval`.
    """

    mean: float
    std: float
    forward: float
    backward: float
    num_pairs: int
    exponents: tuple[float, float, float]
    interval: tuple[float, float]


def four_gr_ssim_over_pairs(
    load: Callable[[int], torch.Tensor],
    num_items: int,
    *,
    num_pairs: int = 1000,
    seed: int = 0,
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> PairwiseFourGRSSIM:
    """Mean 4-G-R-SSIM over random pairs of a set: the same pairs as :func:`ms_ssim_over_pairs` draws.

    Args:
        load, num_items, num_pairs, seed: as for :func:`ms_ssim_over_pairs`.
        exponents: of luminance, contrast and structure, see :func:`four_gr_ssim`.

    Raises:
        ValueError: if the set or its volumes are too small, volumes differ in shape, or values leave [0, 1].
    """
    return _means(load, load, draw_pairs(num_items, num_pairs, seed), exponents, between=False)


def four_gr_ssim_between(
    load: Callable[[int], torch.Tensor],
    num_items: int,
    load_other: Callable[[int], torch.Tensor],
    num_others: int,
    *,
    num_pairs: int = 1000,
    seed: int = 0,
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> PairwiseFourGRSSIM:
    """Mean 4-G-R-SSIM over random pairs of a volume of one set and a volume of another, such as generated and real.

    Args:
        load, num_items: the first set; ``forward`` takes the regions from it.
        load_other, num_others: the second set; ``backward`` takes the regions from it.
        num_pairs, seed: as for :func:`ms_ssim_between`, which draws the same pairs.
        exponents: of luminance, contrast and structure, see :func:`four_gr_ssim`.

    Raises:
        ValueError: if a set is empty or its volumes are too small, volumes differ in shape, or values leave [0, 1].
    """
    pairs = draw_pairs_between(num_items, num_others, num_pairs, seed)
    return _means(load, load_other, pairs, exponents, between=True)


def _means(
    load_first: Callable[[int], torch.Tensor],
    load_second: Callable[[int], torch.Tensor],
    pairs: Sequence[tuple[int, int]],
    exponents: tuple[float, float, float],
    *,
    between: bool,
) -> PairwiseFourGRSSIM:
    def compare(first: torch.Tensor, second: torch.Tensor) -> tuple[float, float]:
        one, other = first[0, 0], second[0, 0]
        return four_gr_ssim(one, other, exponents=exponents), four_gr_ssim(other, one, exponents=exponents)

    scores = np.array(scores_over_pairs(load_first, load_second, pairs, compare))
    forward, backward = scores.mean(0)
    both = scores.mean(1)
    std = float(both.std(ddof=1)) if len(both) > 1 else float("nan")
    interval = pairs_interval(both.tolist(), pairs, between=between)
    return PairwiseFourGRSSIM(float(both.mean()), std, float(forward), float(backward), len(both), exponents, interval)
