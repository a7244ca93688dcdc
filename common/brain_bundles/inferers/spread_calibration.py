"""The spread of several draws as an uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


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

    Raises:
        ValueError: if a number is negative or not finite, or there are no steps.

    Source: scaling of a predicted deviation as in Laves et al. 2021, arXiv:2104.12376, here with a floor.
    """

    scale: float
    floor: float
    num_inference_steps: int

    def __post_init__(self) -> None:
        if not (0 <= self.scale < float("inf") and 0 <= self.floor < float("inf")) or self.num_inference_steps < 1:
            raise ValueError(f"impossible calibration of the draws: {self}.")

    @classmethod
    def of(cls, entry: Mapping[str, float] | SpreadCalibration | None) -> SpreadCalibration | None:
        """From the entry of a recipe; None stays None."""
        return entry if entry is None or isinstance(entry, cls) else cls(**entry)  # type: ignore[arg-type]

    @classmethod
    def by_target(cls, entry: Mapping[str, Any] | None) -> dict[str, SpreadCalibration] | None:
        """Those of a model of several targets, from its recipe's ``{num_inference_steps, targets: {name: {scale,
        floor}}}``; None stays None.
        """
        if entry is None:
            return None
        steps = entry["num_inference_steps"]
        return {name: cls(**numbers, num_inference_steps=steps) for name, numbers in entry["targets"].items()}

    def check_steps(self, num_inference_steps: int) -> None:
        """Raise ValueError for another number of steps than that of the calibration."""
        if num_inference_steps != self.num_inference_steps:
            raise ValueError(
                f"num_draws above 1 gives an uncertainty, which these weights have for num_inference_steps "
                f"{self.num_inference_steps}, not for {num_inference_steps}. Set this number, or calibrate the draws "
                "for yours with configs/calibrate.json."
            )

    def __call__(self, deviation: torch.Tensor) -> torch.Tensor:
        """Deviation of the error, shaped like the ``deviation`` of the draws."""
        return ((self.scale * deviation).square() + self.floor**2).sqrt()
