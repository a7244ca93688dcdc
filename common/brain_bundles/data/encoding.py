"""Latents of images, and their scale over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import nn

from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.precision import autocast


@torch.no_grad()
def encode(
    autoencoder: nn.Module, loader: Iterable, image_keys: Sequence[str] = ("image",), precision: str = "fp32"
) -> Iterator[list[torch.Tensor | None]]:
    """Yield mean and sigma (B, C, d, h, w) of the normalised latents of each image of a batch, float32 on the CPU.

    Both are None for an image that the batch lacks.
    """
    for images in _images(loader, image_keys, autoencoder):
        moments: list[torch.Tensor | None] = []
        for image in images:
            if image is None:
                moments += [None, None]
                continue
            with autocast(precision, image.device):
                moments += [part.float().cpu() for part in autoencoder.encode_moments(image)]  # type: ignore[operator]
        yield moments


@torch.no_grad()
def measure_latent_statistics(
    autoencoder: nn.Module,
    loader: Iterable,
    *,
    image_key: str = "image",
    precision: str = "fp32",
    num_images: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of raw latent samples per channel, over all images and positions.

    A sample is mu + sigma * noise, so its variance is var(mu) + mean(sigma^2). Several processes, each with a part of
    the images, add their sums.

    Args:
        autoencoder: with ``raw_moments(x) -> (mu, sigma)``.
        loader: yields batches with the image (B, C, D, H, W), of the size that will be encoded (not training patches).
        image_key: entry of the image.
        precision: fp32, bf16, fp16 or auto.
        num_images: stop after the batch with this image; None for all. Hundreds are enough for two numbers a channel.

    Returns:
        mean and std, float32 tensors of shape (latent_channels,).

    Raises:
        ValueError: if the loader is empty.
    """
    sums, seen = None, 0
    for (image,) in _images(loader, [image_key], autoencoder):
        if image is None:
            raise ValueError(f"measure_latent_statistics: a batch lacks {image_key!r}.")
        with autocast(precision, image.device):
            mu, sigma = autoencoder.raw_moments(image)  # type: ignore[operator]
        mu, sigma = (part.double().transpose(0, 1).flatten(1) for part in (mu, sigma))
        count = torch.full_like(mu[:, 0], mu.shape[1])
        part = torch.stack([count, mu.sum(1), mu.square().sum(1) + sigma.square().sum(1)])
        sums = part if sums is None else sums + part
        seen += len(image)
        if num_images is not None and seen >= num_images:
            break
    if sums is None:
        raise ValueError("measure_latent_statistics: the loader is empty; check dataset_dir and the split.")
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(sums)
    mean = sums[1] / sums[0]
    std = (sums[2] / sums[0] - mean.square()).sqrt()
    return mean.float().cpu(), std.float().cpu()


def _images(loader: Iterable, image_keys: Sequence[str], autoencoder: nn.Module) -> Iterator[list[torch.Tensor | None]]:
    """Yield the plain images of each batch on the autoencoder's device, with the autoencoder in eval mode."""
    device = next(autoencoder.parameters()).device
    training = autoencoder.training
    autoencoder.eval()
    try:
        for batch in loader:
            yield [plain_tensor(batch[key]).to(device) if key in batch else None for key in image_keys]
    finally:
        autoencoder.train(training)
