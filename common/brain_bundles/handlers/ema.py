"""Exponential moving average of a network's weights, for validation and saving."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from brain_bundles.utils.distributed import unwrap


class EMAHandler:
    """Move ``ema_network`` towards ``network`` after each iteration: ema <- d ema + (1 - d) network.

    With warm-up, ``d = min(decay, (1 + n) / (10 + n))`` at the n-th update, so the random weights of the
    start do not hold the average back. Buffers are copied.

    Args:
        network: the network in training; may be wrapped in DistributedDataParallel or compiled.
        ema_network: a network of the same structure, None for a copy. It takes the weights of ``network`` when the run
            starts, and is in eval mode.
        decay: 0.999 averages about the last 1000 updates.
        warm_up: start with a faster average.

    Raises:
        ValueError: if ``decay`` is not in [0, 1), or the two networks differ.
    """

    def __init__(
        self, network: nn.Module, ema_network: nn.Module | None = None, decay: float = 0.999, *, warm_up: bool = True
    ) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}; 0.999 averages about the last 1000 steps.")
        self.network = unwrap(network)
        self.ema_network = copy.deepcopy(self.network) if ema_network is None else ema_network
        self.decay, self.warm_up = decay, warm_up
        self.num_updates = 0
        own, average = self.network.state_dict(), self.ema_network.state_dict()
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in average.items()}:
            raise ValueError("ema_network must have the structure of network; build both from one definition.")

    def attach(self, engine: Engine) -> None:
        self._start()
        self.ema_network.eval().requires_grad_(False)
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def _start(self) -> None:
        """Copy the network's weights, which may have been loaded or measured since; keep a resumed average."""
        if self.num_updates == 0:
            self.ema_network.load_state_dict(self.network.state_dict())

    @torch.no_grad()
    def __call__(self, engine: Engine) -> None:
        weight = 1.0 - self.current_decay
        for average, value in zip(self.ema_network.parameters(), self.network.parameters(), strict=True):
            average.lerp_(value.to(average.device), weight)
        for ours, theirs in zip(self.ema_network.buffers(), self.network.buffers(), strict=True):
            ours.copy_(theirs)
        self.num_updates += 1

    @property
    def current_decay(self) -> float:
        """The decay of the next update."""
        if not self.warm_up:
            return self.decay
        return min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights under ``network``, and their number of updates."""
        return {"network": self.ema_network.state_dict(), "num_updates": self.num_updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.ema_network.load_state_dict(state["network"])
        self.num_updates = state["num_updates"]
