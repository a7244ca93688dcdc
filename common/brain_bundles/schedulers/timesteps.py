"""Placement of the timesteps of a run with few steps on the trained noise schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brain_bundles.schedulers.second_order_walk import NoiseLevel

TIMESTEP_SPACINGS = ("trailing", "leading", "linspace", "logsnr")


def make_timesteps(num_inference_steps: int, alpha_bar: Sequence[float], spacing: str) -> list[int]:
    """Strictly decreasing timesteps in [0, T), T = len(alpha_bar).

    Args:
        num_inference_steps: number of network evaluations.
        alpha_bar: cumulative signal fraction per trained timestep, decreasing.
        spacing: "trailing" counts back from T - 1 in equal steps; "leading" counts up from 0 and misses the highest
            noise levels; "linspace" has both ends (these three as in Lin et al. 2024, arXiv 2305.08891, table 2);
            "logsnr" has both ends and equal steps of log(signal / noise), which puts many of the steps at low noise,
            where detail is made (Lu et al. 2022, arXiv 2206.00927, section 3.3).

    Raises:
        ValueError: for a number of steps outside [1, T] or an unknown spacing.
    """
    total = len(alpha_bar)
    if not 1 <= num_inference_steps <= total:
        raise ValueError(
            f"num_inference_steps must be between 1 and {total}, the number of timesteps the network was trained on; "
            f"got {num_inference_steps}."
        )
    count = np.arange(num_inference_steps)
    if spacing == "trailing":
        steps = np.round(total - count * (total / num_inference_steps)) - 1
    elif spacing == "leading":
        steps = (count * (total // num_inference_steps))[::-1]
    elif spacing == "linspace":
        steps = np.round(np.linspace(total - 1, 0, num_inference_steps))
    elif spacing == "logsnr":
        steps = _equal_log_snr(num_inference_steps, alpha_bar)
    else:
        raise ValueError(f"timestep_spacing must be one of {list(TIMESTEP_SPACINGS)}, got {spacing!r}.")
    return [int(step) for step in steps]


def _equal_log_snr(num_inference_steps: int, alpha_bar: Sequence[float]) -> np.ndarray:
    clock = np.array([NoiseLevel.at(value).log_ratio for value in alpha_bar])  # decreasing in t
    wanted = np.linspace(clock[-1], clock[0], num_inference_steps)
    steps = np.round(np.interp(wanted, clock[::-1], np.arange(len(clock))[::-1])).astype(int)[::-1]
    # At low noise neighbouring levels can lie further apart than the equal steps: move doubled entries up, within T.
    count = np.arange(num_inference_steps)
    steps = np.maximum.accumulate(steps - count) + count
    return np.minimum(steps, len(clock) - num_inference_steps + count)[::-1]
