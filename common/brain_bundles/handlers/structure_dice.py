"""Dice of each structure in the validations of a training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.distributed import is_main_process

logger = logging.getLogger(__name__)


class StructureDice:
    """Log the mean Dice of each class after a validation, and keep a table of all validations, validation.tsv.

    Attach it to the trainer, after the handler that validates.

    Args:
        validator: the evaluator whose key metric is MONAI's ``MeanDice``; it keeps the score of each volume and class.
        names: names of the classes that are scored, in order.
        output_dir: folder of the table.
    """

    def __init__(self, validator: Engine, names: Sequence[str], output_dir: str | Path) -> None:
        self.validator, self.names = validator, list(names)
        self.path = Path(output_dir) / "validation.tsv"
        self._seen = 0

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        state = self.validator.state
        details = getattr(state, "metric_details", None) or {}
        if state.epoch == self._seen or not details or not is_main_process():
            return
        self._seen = state.epoch
        means = mean_of_each(next(iter(details.values())))
        logger.info(
            "Dice after epoch %d: %s",
            engine.state.epoch,
            ", ".join(f"{name} {value:.3f}" for name, value in zip(self.names, means, strict=True)),
        )
        header = "\t".join(["epoch", *self.names])
        before = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else [header]
        # A resumed training repeats the epochs after its checkpoint.
        kept = [line for line in before[1:] if int(line.split("\t")[0]) < engine.state.epoch]
        line = "\t".join([str(engine.state.epoch), *(f"{value:.4f}" for value in means)])
        atomic_write(self.path, "\n".join([header, *kept, line]) + "\n")


def mean_of_each(scores: torch.Tensor) -> list[float]:
    """Means over the volumes (N, C) of each class; volumes without the class (NaN) do not count."""
    return [float(value) for value in torch.nanmean(scores.double(), 0)]
