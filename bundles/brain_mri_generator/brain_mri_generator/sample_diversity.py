"""Diversity of samples during a training, and a warning of a collapse."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from brain_bundles.utils import is_main_process, plain_tensor
from ignite.engine import Engine, Events
from ignite.metrics import Metric

logger = logging.getLogger(__name__)


class SampleDiversity(Metric):
    """How much samples differ from each other, as a share of how much the images do; warns of a collapse.

    The standard deviation of each voxel over the samples, root mean square over the voxels, divided by that of as many
    images. 1 is the variety of the data, 0 one volume for all codes. Every process of a distributed validation sees all
    of it, so nothing is added up between them. NaN with fewer than 2 images, which the log says.

    Args:
        minimum: a lower value is named in the log as a collapse.
        output_transform: from the engine's output to (samples, images), each a batch (B, ...) or a list.
    """

    def __init__(self, minimum: float = 0.5, output_transform: Callable[[Any], Any] = lambda output: output) -> None:
        self.minimum = minimum
        super().__init__(output_transform)

    def reset(self) -> None:
        self._spreads = (_Spread(), _Spread())

    def update(self, output: tuple[Iterable[torch.Tensor], Iterable[torch.Tensor]]) -> None:
        for spread, volumes in zip(self._spreads, output, strict=True):
            for volume in volumes:
                spread.add(plain_tensor(volume))

    def compute(self) -> float:
        samples, images = self._spreads
        if min(samples.number, images.number) < 2:
            return math.nan
        return (samples.variance() / max(images.variance(), torch.finfo(torch.float64).tiny)) ** 0.5

    def attach(self, engine: Engine, name: str) -> None:  # type: ignore[override]
        super().attach(engine, name)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._warn, name)

    def _warn(self, engine: Engine, name: str) -> None:
        value = engine.state.metrics[name]
        if not is_main_process():
            return
        if math.isnan(value):
            logger.warning("A collapse would not be seen: the diversity needs 2 images to validate with, or more.")
        elif value < self.minimum:
            logger.warning(
                "Mode collapse: samples differ from each other %.3f times as much as the images do, less than %g. "
                "Early in a training this passes; later, lower the learning rates or start again with another seed.",
                value,
                self.minimum,
            )


class _Spread:
    """Running mean and sum of squared deviations of volumes, per voxel (Welford 1962, Technometrics 4:419)."""

    def __init__(self) -> None:
        self.number = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def add(self, volume: torch.Tensor) -> None:
        volume = volume.detach().double().cpu()
        self.number += 1
        before = volume - self.mean
        self.mean = self.mean + before / self.number
        self.squares = self.squares + before * (volume - self.mean)

    def variance(self) -> float:
        """Mean over the voxels of the sample variance."""
        return float(self.squares.mean()) / (self.number - 1)
