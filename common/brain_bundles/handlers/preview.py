"""Pictures of what the networks make, while they are trained."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from brain_bundles.data.seeding import derive_seed
from brain_bundles.engines.distributed import is_main_process, unwrap
from brain_bundles.handlers.montage import save_montage
from brain_bundles.networks.plain_state import random_states, restore_random_states

logger = logging.getLogger(__name__)


class ImagePreview:
    """Saves a montage in three planes every ``interval`` epochs and after the last one, on rank 0.

    Args:
        images: called without arguments when a picture is due; gives volumes (N, 1, D, H, W) or (N, D, H, W), RAS, or a
            dictionary label -> volumes. :class:`Reconstructions` is one for autoencoders.
        output_dir: folder of ``preview_0010.png`` (the epoch).
        interval: epochs between two pictures.
        labels: one text per volume, where ``images`` gives no dictionary.
        spacing: voxel size in mm, one number or one per axis.
        value_range: values shown black and white.
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
        if find_spec("matplotlib") is None:  # hours into a training would be too late to find out
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


class Reconstructions:
    """Images and their reconstructions, for ``ImagePreview``.

    Args:
        network: an autoencoder with ``reconstruct(x)``.
        data_loader: its first batches are shown.
        num_images: how many images.
        image_key: entry of the image in a batch.
    """

    def __init__(self, network: Any, data_loader: Iterable, num_images: int = 3, image_key: str = "image") -> None:
        self.network: Any = network
        self.data_loader = data_loader
        self.num_images, self.image_key = num_images, image_key

    def __call__(self) -> dict[str, torch.Tensor]:
        network: Any = unwrap(self.network)
        training = network.training
        network.eval()
        shown: dict[str, torch.Tensor] = {}
        for batch in self.data_loader:
            for image in batch[self.image_key].as_subclass(torch.Tensor)[: self.num_images - len(shown) // 2]:
                number = len(shown) // 2 + 1
                shown[f"image {number}"] = image[None]
                shown[f"reconstruction {number}"] = network.reconstruct(
                    image[None].to(next(network.parameters()).device)
                )
            if len(shown) == 2 * self.num_images:
                break
        network.train(training)
        return shown


class Samples:
    """Volumes that a diffusion network makes of fixed seeds and conditions, for ``ImagePreview``.

    Args:
        sampler: a :class:`~brain_bundles.inferers.LatentSampler`.
        network: the network that samples, usually its moving average.
        context: conditions (B, 1, K), the same in every picture.
        seed: of the noise; sample i has the seed derived from (seed, i), so that epochs can be compared.
    """

    def __init__(self, sampler: Any, network: Any, context: torch.Tensor, seed: int = 0) -> None:
        self.sampler, self.network, self.context, self.seed = sampler, network, context, seed

    def __call__(self) -> list[torch.Tensor]:
        seeds = [derive_seed(self.seed, "preview", index) for index in range(len(self.context))]
        device = next(self.network.parameters()).device
        return list(self.sampler(self.context.to(device), self.network, seeds=seeds).cpu())


def _flatten(images: Any, labels: Sequence[str] | None) -> tuple[list[torch.Tensor], Sequence[str] | None]:
    if not isinstance(images, dict):
        return [_single(volume) for volume in images], labels
    pairs = [(label, _single(volume)) for label, volumes in images.items() for volume in volumes]
    return [volume for _, volume in pairs], [label for label, _ in pairs]


def _single(volume: torch.Tensor) -> torch.Tensor:
    """(1, D, H, W) or (D, H, W) to (D, H, W)."""
    return volume[0] if volume.ndim == 4 else volume
