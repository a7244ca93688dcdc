"""Several draws of a translator, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from brain_bundles.utils.seeding import derive_seed


def mean_and_deviation(
    draw: Callable[[list[int]], torch.Tensor], seeds: Sequence[int], num_draws: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of draws, voxel by voxel, holding one draw at a time (Welford's recurrence).

    Args:
        draw: makes the volumes of some seeds, one for each seed, of any shape.
        seeds: those of the first draw; further draws have seeds derived from them.
        num_draws: two at least.

    Returns:
        Both shaped like a draw; the deviation is that of the draws, with their number less one.
    """
    mean = draw([int(seed) for seed in seeds])
    squares = torch.zeros_like(mean)
    for number in range(1, num_draws):
        volumes = draw([derive_seed(int(seed), "draw", number) for seed in seeds])
        deviation = volumes - mean
        mean = mean + deviation / (number + 1)
        squares += deviation * (volumes - mean)
    return mean, (squares / (num_draws - 1)).sqrt()


def check_num_draws(num_draws: int) -> int:
    """Return ``num_draws``.

    Raises:
        ValueError: if it is below 1.
    """
    if num_draws < 1:
        raise ValueError(f"num_draws must be at least 1, got {num_draws}.")
    return num_draws
