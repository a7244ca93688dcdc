"""The steps of DPM-Solver++ (2M) over any noise levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch


class NoiseLevel(NamedTuple):
    """A noisy sample is ``signal`` times the clean one plus ``spread`` times the noise."""

    signal: float
    spread: float

    @classmethod
    def at(cls, alpha_bar: float) -> NoiseLevel:
        """The level of a discrete noise schedule whose cumulative signal fraction is ``alpha_bar``."""
        return cls(alpha_bar**0.5, max(1 - alpha_bar, 0.0) ** 0.5)

    @property
    def log_ratio(self) -> float:
        """lambda = log(signal / spread), the time of DPM-Solver; infinite for the clean sample and for pure noise."""
        if self.spread <= 0:
            return math.inf
        return math.log(self.signal / self.spread) if self.signal > 0 else -math.inf


class SecondOrderWalk:
    """A walk over noise levels that remembers the last predicted clean sample; one batch at a time.

    The first step, a step after a gap, and the steps from pure noise and to the clean sample are of first order: there
    is no past, or log(signal / spread) is infinitely far away and extrapolation has no meaning. For the last step this
    is exactly what diffusers' ``lower_order_final`` does at order 2.

    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 2.

    Args:
        levels: noise levels, one more than there are steps.
    """

    def __init__(self, levels: Sequence[NoiseLevel]) -> None:
        self.levels = list(levels)
        self._last: tuple[int, torch.Tensor] | None = None

    def step(self, index: int, clean: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """The sample at level ``index + 1``.

        Args:
            index: position of the sample's level in ``levels``.
            clean: predicted clean sample (B, C, D, H, W).
            sample: the noisy sample (B, C, D, H, W).
        """
        now, then = self.levels[index], self.levels[index + 1]
        before, self._last = self._last, (index, clean)
        if index + 2 == len(self.levels):
            self._last = None
            return clean
        step = then.log_ratio - now.log_ratio  # h_i
        estimate = clean
        if before is not None and before[0] == index - 1 and before[1].shape == clean.shape:
            last_step = now.log_ratio - self.levels[index - 1].log_ratio  # h_{i-1}
            estimate = clean + step / (2 * last_step) * (clean - before[1])  # D_i
        return then.spread / now.spread * sample - then.signal * math.expm1(-step) * estimate
