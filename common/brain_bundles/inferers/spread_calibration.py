"""The spread of several draws as an uncertainty."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpreadCalibration:
    """Turns the standard deviation of draws into one of the error of their mean.

    Draws of a network share its mistakes, so their own deviation is too small. The error's is
    ``sqrt((scale * deviation)^2 + floor^2)``, with numbers that :func:`~brain_bundles.evaluation.calibrate_draws` fits
    to subjects that no training saw, so that 95 % of the errors are within twice the deviation.

    Args:
        scale: factor of the draws' deviation.
        floor: deviation where all draws agree, in units of the scaled intensities.
        num_inference_steps: steps of sampling for which the numbers hold. With fewer the draws hardly differ.
        num_draws: draws that the numbers were fitted to; the deviation of fewer is less certain.

    Raises:
        ValueError: if a number is negative or not finite, or there are no steps or fewer than two draws.

    Source: scaling of a predicted deviation as in Laves et al. 2021, arXiv:2104.12376, here with a floor.
    """

    scale: float
    floor: float
    num_inference_steps: int
    num_draws: int = 8  # of every calibration before the number was written down

    def __post_init__(self) -> None:
        possible = 0 <= self.scale < float("inf") and 0 <= self.floor < float("inf")
        if not possible or self.num_inference_steps < 1 or self.num_draws < 2:
            raise ValueError(f"impossible calibration of the draws: {self}.")

    @classmethod
    def of(cls, entry: Mapping[str, float] | SpreadCalibration | None) -> SpreadCalibration | None:
        """From the entry of a recipe; None stays None."""
        return entry if entry is None or isinstance(entry, cls) else cls(**entry)  # type: ignore[arg-type]

    @classmethod
    def by_target(cls, entry: Mapping[str, Any] | None) -> dict[str, SpreadCalibration] | None:
        """Those of a model of several targets, from its recipe's ``{num_inference_steps, num_draws, targets: {name:
        {scale, floor}}}``; None stays None.
        """
        if entry is None:
            return None
        shared = {name: value for name, value in entry.items() if name != "targets"}
        return {name: cls(**numbers, **shared) for name, numbers in entry["targets"].items()}

    def check(self, num_inference_steps: int, num_draws: int) -> None:
        """Warn of fewer draws than the calibration was fitted to.

        Raises:
            ValueError: for another number of steps than that of the calibration.
        """
        if num_inference_steps != self.num_inference_steps:
            raise ValueError(
                f"num_draws above 1 gives an uncertainty, which these weights have for num_inference_steps "
                f"{self.num_inference_steps}, not for {num_inference_steps}. Set this number, or calibrate the draws "
                "for yours with configs/calibrate.json."
            )
        if num_draws < self.num_draws:
            logger.warning(
                "The uncertainty was fitted to %d draws; that of %d covers fewer errors than the 95 %% it is for.",
                self.num_draws,
                num_draws,
            )

    def __call__(self, deviation: torch.Tensor) -> torch.Tensor:
        """Deviation of the error, shaped like the ``deviation`` of the draws."""
        return ((self.scale * deviation).square() + self.floor**2).sqrt()
