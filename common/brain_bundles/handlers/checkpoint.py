"""Checkpoints for exact resume: an interrupted training ends with the result of an uninterrupted one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from brain_bundles.data.epoch_sampler import EpochSampler
from brain_bundles.utils.distributed import (
    is_main_process,
    rank,
    same_on_all_ranks,
    unwrap,
    world_size,
)
from brain_bundles.utils.loading import read_plain, state_dict_problems
from brain_bundles.utils.random_state import random_states, restore_random_states
from brain_bundles.utils.resumed_rates import load_optimizer, load_schedule
from brain_bundles.utils.saving import save_atomically, to_plain
from brain_bundles.utils.stop_signals import StopSignals

logger = logging.getLogger(__name__)
TRAINING = "training"  # entry of the file for the state of the training itself


class ResumableCheckpoint:
    """Write everything that a training needs to resume, at the end of epochs and on a signal to stop.

    The file holds plain tensors and containers (``torch.load(weights_only=True)``): the state dict of every object
    under its name, and under ``training`` the epoch, iteration, best metrics, gradient scalers and all random states.
    It is written to a temporary name and renamed, so kill -9 at any moment leaves the previous file whole.

    On a signal (SIGTERM by default) the running iteration ends, the state is written, and the process exits with 128 +
    the signal's number. A checkpoint within an epoch needs an :class:`~brain_bundles.data.EpochSampler`, which can
    start in the middle of an epoch. With another sampler the last epoch's file stays, and the epoch is repeated.

    A resumed run uses its own settings of optimizers and schedules, such as another learning rate or number of epochs,
    and names those that are stored otherwise.

    The handler runs after all others of the same event, at any place in the list, so the file holds the schedules,
    averages and validations of the epoch.

    Args:
        objects: name -> object with ``state_dict`` and ``load_state_dict``: networks, optimizers, schedules, EMA.
        path: the file, for example ``models/checkpoint.pt``.
        interval: epochs between two files; the last epoch is always written.
        resume: continue from ``path``; if there is no such file, start fresh and log this.
        evaluators: name -> engine whose best metric belongs to the state (the validator).
        signals: names of the signals to handle.

    Raises:
        ValueError: for an interval below 1, a resume that is not a bool, an object without state dict, an unknown
            signal; when the run starts, if the file is damaged or does not fit the objects or the length of an epoch.
    """

    def __init__(
        self,
        objects: Mapping[str, Any],
        path: str | Path,
        *,
        interval: int = 1,
        resume: bool = False,
        evaluators: Mapping[str, Engine] | None = None,
        signals: Sequence[str] = ("SIGTERM",),
    ) -> None:
        if interval < 1:
            raise ValueError(f"ResumableCheckpoint: interval must be at least 1 epoch, got {interval}.")
        if not isinstance(resume, bool):  # on a command line `false` is a text, and any text counts as true
            raise ValueError(f"ResumableCheckpoint: resume is {resume!r}, expected True or False.")
        for name, item in objects.items():
            if name == TRAINING or not (hasattr(item, "state_dict") and hasattr(item, "load_state_dict")):
                raise ValueError(
                    f"ResumableCheckpoint: object {name!r} ({type(item).__name__}) needs state_dict and "
                    f"load_state_dict, and a name other than {TRAINING!r}."
                )
        self.objects, self.path, self.interval, self.resume = dict(objects), Path(path), interval, resume
        self.evaluators = dict(evaluators or {})
        self.signals = StopSignals(signals)
        self._pending_random: Mapping[str, Any] | None = None
        self._restore_at: Events = Events.EPOCH_STARTED
        self._late = False

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)

    def _start(self, engine: Engine) -> None:
        loader = _loader(engine)
        if hasattr(loader, "__len__") and len(loader) != engine.state.epoch_length:
            raise ValueError(
                f"ResumableCheckpoint: an epoch is {engine.state.epoch_length} iterations but the loader has "
                f"{len(loader)}; leave epoch_length out and set num_samples_per_epoch of EpochSampler."
            )
        if is_main_process():
            for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
                left.unlink()  # left by a run that was killed while writing; as large as the checkpoint
        if self.resume:
            self._load(engine)
        if not self._late:
            # Handlers run in the order they were added, so those added now run last.
            engine.add_event_handler(Events.EPOCH_STARTED, self._restore_random, Events.EPOCH_STARTED)
            engine.add_event_handler(Events.GET_BATCH_STARTED, self._restore_random, Events.GET_BATCH_STARTED)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration_completed)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch_completed)
            engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, self.signals.remove)
            self._late = True
        self.signals.install()

    # Writing

    def _iteration_completed(self, engine: Engine) -> None:
        done = engine.state.iteration % _epoch_length(engine)
        if done == 0 or not self.signals.received():
            return  # the end of an epoch is left to _epoch_completed, after validation and schedules
        if _sampler(engine) is None:
            logger.warning(
                "Signal to stop within epoch %d; without an EpochSampler a resumed run repeats the whole epoch.",
                engine.state.epoch,
            )
        else:
            self.save(engine)
        self.signals.stop()

    def _epoch_completed(self, engine: Engine) -> None:
        stop = self.signals.received()
        if stop or engine.state.epoch % self.interval == 0 or engine.state.epoch == engine.state.max_epochs:
            self.save(engine)
        if stop:
            self.signals.stop()

    def save(self, engine: Engine) -> None:
        """Write the file now; with several processes, all of them must call this."""
        states: list[Any] = [random_states()]
        if world_size() > 1:
            mine, states = states[0], [None] * world_size()
            dist.all_gather_object(states, mine)
        if not is_main_process():
            return
        content = {name: to_plain(_plain_object(item).state_dict(), name) for name, item in self.objects.items()}
        content[TRAINING] = to_plain(
            {
                "epoch": engine.state.iteration // _epoch_length(engine),  # whole epochs
                "iteration": engine.state.iteration,
                "epoch_length": engine.state.epoch_length,
                "random": states,
                "scalers": {name: scaler.state_dict() for name, scaler in _scalers(engine).items()},
                "best": {name: _best(item) for name, item in self._engines(engine).items()},
            },
            TRAINING,
        )
        save_atomically(content, self.path)
        logger.debug("Wrote %s at iteration %d.", self.path, engine.state.iteration)

    # Reading

    def _load(self, engine: Engine) -> None:
        exists = self.path.is_file()
        if not same_on_all_ranks(exists):
            raise ValueError(f"{self.path} exists for some processes only; put it on storage that all of them share.")
        if not exists:
            logger.info("No checkpoint at %s: starting from the beginning.", self.path)
            return
        content = read_plain(self.path)
        training = content.get(TRAINING) if isinstance(content, Mapping) else None
        if training is None:
            raise ValueError(f"{self.path} is not a resumable checkpoint; use load_weights for a model file.")
        if set(content) != {TRAINING, *self.objects}:
            missing, unknown = set(self.objects) - set(content), set(content) - {TRAINING, *self.objects}
            raise ValueError(f"{self.path}: missing states {sorted(missing)}, states without object {sorted(unknown)}.")
        if training["epoch_length"] != engine.state.epoch_length:
            raise ValueError(
                f"{self.path} was written with {training['epoch_length']} iterations per epoch, now there are "
                f"{engine.state.epoch_length}; keep data, batch size and number of processes, or set resume to false."
            )
        modules = {name: item for name, item in self.objects.items() if isinstance(item, nn.Module)}
        for name, module in modules.items():
            if problems := state_dict_problems(unwrap(module).state_dict(), content[name]):
                raise ValueError(f"{self.path}, {name}: {'; '.join(problems)}.")
        different = []
        scheduled = any(isinstance(item, LRScheduler) for item in self.objects.values())
        # A schedule may set the rate of its optimizer, so it comes after it.
        for name, item in sorted(self.objects.items(), key=lambda entry: isinstance(entry[1], LRScheduler)):
            try:
                if isinstance(item, Optimizer):
                    texts = load_optimizer(item, content[name], scheduled=scheduled)
                    different += [f"{name}: {text}" for text in texts]
                elif isinstance(item, LRScheduler):
                    different += [f"{name}: {text}" for text in load_schedule(item, content[name])]
                else:
                    _plain_object(item).load_state_dict(content[name])
            except (ValueError, KeyError, RuntimeError) as error:
                raise ValueError(f"{self.path}, {name}: {error}") from error
        if different:
            logger.warning("%s: the settings of this run are used. %s.", self.path, "; ".join(different))
        self._load_training(engine, training)

    def _load_training(self, engine: Engine, training: Mapping[str, Any]) -> None:
        for name, scaler in _scalers(engine).items():
            if training["scalers"].get(name):
                scaler.load_state_dict(training["scalers"][name])
        for name, item in self._engines(engine).items():
            for attribute, value in training["best"].get(name, {}).items():
                setattr(item.state, attribute, value)
        engine.state.epoch, engine.state.iteration = training["epoch"], training["iteration"]
        done = training["iteration"] % training["epoch_length"]
        loader = _loader(engine)
        if done:
            sampler = _sampler(engine)
            if sampler is None:
                raise ValueError(f"{self.path} was written within an epoch; resuming there needs an EpochSampler.")
            sampler.skip_once(done * loader.batch_size)
        if len(training["random"]) == world_size():
            self._pending_random = training["random"][rank()]
        # A new iterator of the loader draws a number. At the start of an epoch this draw is part of the replay. Within
        # an epoch it has already happened, and with persistent workers it happens once per run.
        late = done or getattr(loader, "persistent_workers", False)
        self._restore_at = Events.GET_BATCH_STARTED if late else Events.EPOCH_STARTED
        logger.info("Resumed %s: epoch %d, iteration %d.", self.path, training["epoch"], training["iteration"])

    def _restore_random(self, engine: Engine, event: Events) -> None:
        if self._pending_random is not None and event == self._restore_at:
            restore_random_states(self._pending_random)
            self._pending_random = None

    def _engines(self, engine: Engine) -> dict[str, Engine]:
        return {"trainer": engine, **self.evaluators}


def _plain_object(item: Any) -> Any:
    return unwrap(item) if isinstance(item, nn.Module) else item


def _loader(engine: Engine) -> Any:
    return getattr(engine, "data_loader", engine.state.dataloader)


def _epoch_length(engine: Engine) -> int:
    length = engine.state.epoch_length
    assert length is not None  # Ignite knows it before STARTED, or after the first epoch of an endless loader
    return length


def _sampler(engine: Engine) -> EpochSampler | None:
    sampler = getattr(_loader(engine), "sampler", None)
    return sampler if isinstance(sampler, EpochSampler) else None


def _scalers(engine: Engine) -> dict[str, torch.amp.GradScaler]:
    return {name: item for name, item in vars(engine).items() if isinstance(item, torch.amp.GradScaler)}


def _best(engine: Engine) -> dict[str, Any]:
    return {
        name: getattr(engine.state, name)
        for name in ("best_metric", "best_metric_epoch")
        if hasattr(engine.state, name)
    }
