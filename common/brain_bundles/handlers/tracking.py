"""Tracking of a training by MONAI's handlers for TensorBoard and MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler, TensorBoardStatsHandler
from monai.utils import optional_import, path_to_sqlite_uri

from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.utils.config_overrides import given_overrides
from brain_bundles.utils.distributed import is_main_process

SummaryWriter, _ = optional_import("torch.utils.tensorboard", name="SummaryWriter")
imread, _ = optional_import("matplotlib.image", name="imread")


class _Tracking:
    """Base of both trackers: logs losses and learning rates per iteration, metrics and pictures per epoch, and the
    options of the command line at the start. Only rank 0 logs.

    Args:
        validator: the engine whose metrics are logged, beside those of the trainer.
        output_dir: folder of the logs; the pictures that :class:`ImagePreview` writes there are logged.
    """

    def __init__(self, validator: Engine, output_dir: str | Path) -> None:
        self.validator, self.output_dir = validator, Path(output_dir)

    def attach(self, engine: Engine) -> None:
        if not is_main_process():
            return
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self.start(engine, lambda output: {**scalar_losses(output), **learning_rates(engine)})
        engine.add_event_handler(Events.STARTED, lambda: self.log_settings(given_overrides() or {}))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log_pictures)

    def _log_pictures(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        for path in sorted(self.output_dir.glob(f"*_{epoch:04d}.png")):
            self.log_picture(path, epoch)

    def start(self, engine: Engine, values: Callable[[Any], dict[str, float]]) -> None:
        """Attach MONAI's handlers; ``values`` makes the scalars of an iteration from the engine's output."""
        raise NotImplementedError

    def log_settings(self, settings: Mapping[str, str | None]) -> None:
        """Log the options of the command line."""
        raise NotImplementedError

    def log_picture(self, path: Path, epoch: int) -> None:
        """Log a PNG file."""
        raise NotImplementedError


class TensorBoardTracking(_Tracking):
    """Logs a training to TensorBoard, into the folder ``tensorboard`` of ``output_dir``.

    Scalars are the loss terms, ``lr_group_0`` and the metrics; pictures are images by the name of their preview;
    ``settings`` is a text. Its arguments are ``validator``, the engine that validates, and ``output_dir``.
    """

    def start(self, engine: Engine, values: Callable[[Any], dict[str, float]]) -> None:
        self.writer = SummaryWriter(str(self.output_dir / "tensorboard"))
        TensorBoardStatsHandler(summary_writer=self.writer, output_transform=values).attach(engine)
        TensorBoardStatsHandler(summary_writer=self.writer, iteration_log=False).attach(self.validator)
        engine.add_event_handler(Events.COMPLETED, self.writer.flush)

    def log_settings(self, settings: Mapping[str, str | None]) -> None:
        self.writer.add_text("settings", json.dumps(settings, indent=4))

    def log_picture(self, path: Path, epoch: int) -> None:
        self.writer.add_image(path.stem.rpartition("_")[0], imread(path)[..., :3], epoch, dataformats="HWC")


class MLflowTracking(_Tracking):
    """Logs a training to MLflow, into the store that MONAI's ``--tracking mlflow`` uses: ``mlruns.db`` of
    ``output_dir``, or where ``MLFLOW_TRACKING_URI`` says.

    Metrics of the run are the loss terms, ``lr_group_0`` and the metrics; pictures are artifacts; the settings are
    parameters. MLflow never changes a parameter, so another value of a resumed run becomes a tag. Its arguments are
    ``validator``, the engine that validates, and ``output_dir``.
    """

    def start(self, engine: Engine, values: Callable[[Any], dict[str, float]]) -> None:
        uri = path_to_sqlite_uri(str(self.output_dir / "mlruns.db"))
        self.handler = MLFlowHandler(uri, output_transform=values, optimizer_param_names=(), close_on_complete=True)
        self.handler.attach(engine)
        # It joins the run that the trainer's handler has started.
        MLFlowHandler(uri, iteration_log=False).attach(self.validator)

    def log_settings(self, settings: Mapping[str, str | None]) -> None:
        known = self.handler.client.get_run(self._run).data.params
        for key, value in settings.items():
            if key not in known:
                self.handler.client.log_param(self._run, key, value)
            elif known[key] != str(value):
                self.handler.client.set_tag(self._run, key, value)

    def log_picture(self, path: Path, epoch: int) -> None:
        self.handler.client.log_artifact(self._run, str(path), "previews")

    @property
    def _run(self) -> str:
        return self.handler.cur_run.info.run_id  # type: ignore[attr-defined]


def learning_rates(engine: Engine) -> dict[str, float]:
    """Learning rates of the optimizers of a trainer: ``lr_group_0`` and so on, as MONAI's MLFlowHandler names them,
    and ``discriminator_lr_group_0``.
    """
    optimizers = {
        "": getattr(engine, "optimizer", None),
        "discriminator_": getattr(engine, "discriminator_optimizer", None),
    }
    return {
        f"{name}lr_group_{number}": float(group["lr"])
        for name, optimizer in optimizers.items()
        if optimizer is not None
        for number, group in enumerate(optimizer.param_groups)
    }
