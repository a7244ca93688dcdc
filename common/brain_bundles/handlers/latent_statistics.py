"""Measurement of the scale of the latents after the training of an autoencoder."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ignite.engine import Engine, Events
from torch import nn

from brain_bundles.data.encoding import measure_latent_statistics
from brain_bundles.utils.distributed import unwrap

logger = logging.getLogger(__name__)


class LatentStatisticsHandler:
    """Store mean and std of the latents of ``data_loader`` in the autoencoder's buffers when the run completes.

    Put it before the ``ModelSaver`` of the same event, so that the file carries the statistics.

    Args:
        autoencoder: a LatentAutoencoderKL; may be wrapped in DistributedDataParallel.
        data_loader: whole training images, preprocessed as for encoding, without augmentation.
        interval: epochs between further measurements, for files that are written during the training; None measures at
            the end only.
        precision: fp32, bf16, fp16 or auto.
        image_key: entry of the image in a batch.
        num_images: number of images at most, of each process; None for all.
        per_channel: one standard deviation per channel, so that the diffusion stage sees all channels alike; False
            stores their root mean square for all, so that channels with more of the image stay larger.

    Raises:
        ValueError: if ``interval`` is below 1.
    """

    def __init__(
        self,
        autoencoder: nn.Module,
        data_loader: Iterable,
        *,
        interval: int | None = None,
        precision: str = "fp32",
        image_key: str = "image",
        num_images: int | None = None,
        per_channel: bool = True,
    ) -> None:
        if interval is not None and interval < 1:
            raise ValueError(f"LatentStatisticsHandler: interval must be at least 1 epoch, got {interval}.")
        self.autoencoder, self.data_loader = autoencoder, data_loader
        self.interval, self.precision = interval, precision
        self.image_key, self.num_images, self.per_channel = image_key, num_images, per_channel

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self)
        if self.interval is not None:
            engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)

    def __call__(self, engine: Engine) -> None:
        network = unwrap(self.autoencoder)
        mean, std = measure_latent_statistics(
            network,
            self.data_loader,
            image_key=self.image_key,
            precision=self.precision,
            num_images=self.num_images,
        )
        if not self.per_channel:
            std = std.square().mean().sqrt().expand_as(std)
        network.set_latent_statistics(mean, std)  # type: ignore[operator]
        logger.info(
            "Latent mean %s, std %s.", [round(v, 4) for v in mean.tolist()], [round(v, 4) for v in std.tolist()]
        )
