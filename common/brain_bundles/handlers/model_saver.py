"""Saving of one network as a plain state dict, the file that ships."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from brain_bundles.utils.distributed import is_main_process
from brain_bundles.utils.recipe import HISTORY, Recipe
from brain_bundles.utils.saving import save_network

logger = logging.getLogger(__name__)
OCCASIONS = ("epoch", "best", "end")


class ModelSaver:
    """Write ``network`` to ``path`` every ``interval`` epochs, at each new best key metric, or when the run completes.

    For ``best`` attach it to the engine that has the key metric (the evaluator, or a trainer with a train metric).
    An interrupted run does not complete, so ``end`` never leaves a half-trained model.

    Args:
        network: the network, or its EMA copy.
        path: for example ``models/autoencoder.pt``.
        when: ``epoch``, ``best`` or ``end``.
        interval: epochs between two files for ``epoch``.
        trained_on: makes an entry for ``trained_on`` in the recipe of the network, see
            :class:`~brain_bundles.data.TrainingData`. Entries of earlier trainings stay.

    Raises:
        ValueError: for an unknown ``when`` or an interval below 1; for ``best`` without a key metric.
    """

    def __init__(
        self,
        network: nn.Module,
        path: str | Path,
        *,
        when: str = "end",
        interval: int = 1,
        trained_on: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        if when not in OCCASIONS:
            raise ValueError(f"ModelSaver: when is {when!r}; allowed: {', '.join(OCCASIONS)}.")
        if interval < 1:
            raise ValueError(f"ModelSaver: interval must be at least 1 epoch, got {interval}.")
        self.network, self.path, self.when, self.interval = network, Path(path), when, interval
        self.trained_on = trained_on

    def attach(self, engine: Engine) -> None:
        if not is_main_process():
            return
        state: Any = engine.state  # MONAI's engines add fields to Ignite's state
        if self.when == "best" and state.key_metric_name is None:
            raise ValueError("ModelSaver: when='best' needs an engine with a key metric (key_val_metric).")
        event = Events.COMPLETED if self.when == "end" else Events.EPOCH_COMPLETED
        engine.add_event_handler(event, self)

    def __call__(self, engine: Engine) -> None:
        state: Any = engine.state
        if self.when == "best" and state.best_metric_epoch != state.epoch:
            return
        if self.when == "epoch" and state.epoch % self.interval and state.epoch != state.max_epochs:
            return
        self._add_to_history()
        save_network(self.network, self.path)
        logger.info("Wrote %s after epoch %d.", self.path, state.epoch)

    def _add_to_history(self) -> None:
        recipe = getattr(self.network, "recipe", None)
        if self.trained_on is None or not isinstance(recipe, Recipe):
            return
        entry = dict(self.trained_on())
        earlier = [one for one in recipe.values.get(HISTORY, []) if one != entry]
        recipe.values[HISTORY] = [*earlier, entry]
