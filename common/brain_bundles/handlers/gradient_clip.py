"""Gradient clipping for MONAI's SupervisedTrainer, which has none."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn


class GradientClip:
    """Scale the gradient of ``network`` down to ``max_norm`` before the optimizer steps, with loss scaling too.

    Raises:
        ValueError: if ``max_norm`` is not positive.
    """

    def __init__(self, network: nn.Module, max_norm: float = 1.0) -> None:
        if max_norm <= 0:
            raise ValueError(f"GradientClip: max_norm must be positive, got {max_norm}; leave the handler out instead.")
        self.network, self.max_norm = network, max_norm

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
