"""Contrast switch: which contrast the intensities of a prediction are nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

NUM_LEVELS = 100


@dataclass(frozen=True)
class IntensityProfile:
    """Quantiles (NUM_LEVELS,) of one prediction and, by contrast, of the subject's true volumes."""

    method: str
    source: str
    target: str
    predicted: torch.Tensor
    true: Mapping[str, torch.Tensor]


def intensity_quantiles(volume: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Quantiles (NUM_LEVELS,) of the voxels of ``volume`` (D, H, W) where ``mask`` is True, at evenly spaced levels.

    The mean absolute difference of two results is the first Wasserstein distance between the two sets of intensities.
    """
    levels = (torch.arange(NUM_LEVELS) + 0.5) / NUM_LEVELS
    return torch.quantile(volume[mask].float(), levels.to(volume.device))


def nearest_contrast(predicted: torch.Tensor, true: Mapping[str, torch.Tensor]) -> str:
    """Name of the contrast whose quantiles are nearest to the predicted ones."""
    return min(true, key=lambda name: float((predicted - true[name]).abs().mean()))


def summarise_switch(profiles: Sequence[IntensityProfile]) -> dict[str, Any]:
    """Count the nearest contrasts, as method -> target -> two entries.

    ``nearest`` is contrast -> number of predictions nearest to it, over all sources and subjects. ``on_average`` is the
    contrast nearest to the mean of all predictions of that target.
    """
    summary: dict[str, Any] = {}
    for key in dict.fromkeys((one.method, one.target) for one in profiles):
        mine = [one for one in profiles if (one.method, one.target) == key]
        nearest = [nearest_contrast(one.predicted, one.true) for one in mine]
        common = [name for name in mine[0].true if all(name in one.true for one in mine)]
        means = {name: torch.stack([one.true[name] for one in mine]).mean(0) for name in common}
        summary.setdefault(key[0], {})[key[1]] = {
            "nearest": {name: nearest.count(name) for name in dict.fromkeys(nearest)},
            "on_average": nearest_contrast(torch.stack([one.predicted for one in mine]).mean(0), means),
        }
    return summary
