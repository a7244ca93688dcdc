"""A bar per epoch on the terminal and a line per epoch in the log."""

from __future__ import annotations

import logging
import math
import sys
import time

from ignite.engine import Engine, Events
from tqdm import tqdm

from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.utils.distributed import is_main_process


class ProgressBar:
    """Show an epoch's iterations with running means of the losses, and log the means when the epoch ends.

    Only rank 0 shows and logs. There is no bar if stderr is not a terminal, so log files stay readable.

    Args:
        name: text before the epoch.
        logger: name of the logger for the line per epoch, at level INFO.
        log_every: iterations between further lines, for long epochs without a terminal; None logs epochs only.
    """

    def __init__(
        self, name: str = "epoch", logger: str = "brain_bundles.training", log_every: int | None = None
    ) -> None:
        if log_every is not None and log_every < 1:
            raise ValueError(f"log_every must be at least 1 iteration, got {log_every}; null logs epochs only.")
        self.name, self.log_every = name, log_every
        self.logger = logging.getLogger(logger)
        self._bar: tqdm | None = None
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._started = 0.0

    def attach(self, engine: Engine) -> None:
        if not is_main_process():
            return
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)
        engine.add_event_handler(Events.TERMINATE | Events.COMPLETED, self._close)

    def _start(self, engine: Engine) -> None:
        self._close()
        self._sums, self._counts, self._started = {}, {}, time.perf_counter()
        self._bar = tqdm(
            total=engine.state.epoch_length,
            desc=f"{self.name} {engine.state.epoch}/{engine.state.max_epochs}",
            leave=False,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def __call__(self, engine: Engine) -> None:
        for name, value in scalar_losses(engine.state.output).items():
            if math.isfinite(value):  # one overflow of half precision must not blank the mean of the epoch
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
        if self._bar is not None:
            self._bar.set_postfix_str(self._text(), refresh=False)
            self._bar.update()
        if self.log_every is not None and engine.state.iteration % self.log_every == 0:
            self._log(engine)

    def _finish(self, engine: Engine) -> None:
        self._close()
        self._log(engine)

    def _log(self, engine: Engine) -> None:
        self.logger.info(
            "%s %d/%s, iteration %d: %s (%.1f s)",
            self.name,
            engine.state.epoch,
            engine.state.max_epochs,
            engine.state.iteration,
            self._text() or "no losses",
            time.perf_counter() - self._started,
        )

    def _text(self) -> str:
        return ", ".join(f"{name} {self._sums[name] / self._counts[name]:.4g}" for name in self._sums)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
