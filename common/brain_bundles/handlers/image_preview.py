"""Pictures of the networks' outputs during training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from brain_bundles.utils.distributed import is_main_process
from brain_bundles.utils.random_state import random_states, restore_random_states
from brain_bundles.visualize.montage import save_montage

logger = logging.getLogger(__name__)


class ImagePreview:
    """Save a montage in three planes every ``interval`` epochs and after the last one, on rank 0.

    Args:
        images: called without arguments when a picture is due; gives volumes (N, 1, D, H, W) or (N, D, H, W), RAS, or a
            dictionary label -> volumes. :class:`Reconstructions` is one for autoencoders.
        output_dir: folder of ``preview_0010.png`` (the epoch).
        interval: epochs between two pictures.
        labels: one text per volume, if ``images`` gives no dictionary.
        spacing: voxel size in mm, one number or one per axis.
        value_range: values shown as black and as white.
        name: first part of the file names.

    Raises:
        ValueError: if ``interval`` is below 1.
    """

    def __init__(
        self,
        images: Callable[[], Any],
        output_dir: str | Path,
        *,
        interval: int = 10,
        labels: Sequence[str] | None = None,
        spacing: float | Sequence[float] = 1.0,
        value_range: tuple[float, float] = (0.0, 1.0),
        name: str = "preview",
    ) -> None:
        if interval < 1:
            raise ValueError(f"ImagePreview: interval must be at least 1 epoch, got {interval}.")
        self.images, self.output_dir, self.interval = images, Path(output_dir), interval
        self.labels, self.value_range, self.name = labels, value_range, name
        self.spacing = [float(mm) for mm in np.broadcast_to(np.asarray(spacing, dtype=float), (3,))]

    def attach(self, engine: Engine) -> None:
        if not is_main_process():
            return
        if find_spec("matplotlib") is None:  # say so now, not hours into the training
            logger.warning("No previews: they need matplotlib, pip install matplotlib.")
            return
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        if epoch % self.interval and epoch != engine.state.max_epochs:
            return
        before = random_states()  # a run with pictures must train the same networks as one without
        with torch.no_grad():
            volumes, labels = _flatten(self.images(), self.labels)
        restore_random_states(before)
        path = save_montage(
            self.output_dir / f"{self.name}_{epoch:04d}.png",
            volumes,
            labels,
            title=f"{self.name}, epoch {epoch}",
            spacing=self.spacing,
            value_range=(float(self.value_range[0]), float(self.value_range[1])),
        )
        logger.info("Wrote %s.", path)


def _flatten(images: Any, labels: Sequence[str] | None) -> tuple[list[torch.Tensor], Sequence[str] | None]:
    if not isinstance(images, dict):
        return [_single(volume) for volume in images], labels
    pairs = [(label, _single(volume)) for label, volumes in images.items() for volume in volumes]
    return [volume for _, volume in pairs], [label for label, _ in pairs]


def _single(volume: torch.Tensor) -> torch.Tensor:
    """(1, D, H, W) or (D, H, W) to (D, H, W); (D, H, W, 3) has colours and stays."""
    return volume[0] if volume.ndim == 4 and volume.shape[0] == 1 else volume
