"""Latent noise that depends on the sample, not on its place in a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from brain_bundles.utils.seeding import generator_for


def per_sample_randn(seeds: torch.Tensor, purpose: str, shape: tuple[int, ...] | torch.Size) -> torch.Tensor:
    """Standard normal numbers (B, *shape) on the CPU, row ``i`` a function of (``seeds[i]``, ``purpose``) only.

    Args:
        seeds: (B,) int64, the ``sample_seed`` of :class:`~brain_bundles.data.SeededDataset`.
        purpose: name of the draw; draws with different names are independent.
        shape: shape of one sample.
    """
    return torch.stack([torch.randn(shape, generator=generator_for(seed, purpose)) for seed in seeds.tolist()])


@contextlib.contextmanager
def per_sample_sampling(network: nn.Module, seeds: torch.Tensor | None) -> Iterator[None]:
    """Make ``network.sampling(mu, sigma)`` of a MONAI autoencoder draw its noise from ``seeds`` (B,) in this context.

    ``AutoencoderKL.forward`` has no argument for its noise and draws one ``randn_like`` for the whole batch. Training
    would then depend on how samples are spread over batches and ranks. Without seeds, or for a network
    without ``sampling`` (a VQ-VAE), nothing changes.
    """
    if seeds is None or not hasattr(network, "sampling"):
        yield
        return

    def sampling(mu: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        noise = per_sample_randn(seeds, "latent", mu.shape[1:])
        return mu + sigma * noise.to(device=mu.device, dtype=mu.dtype)

    network.sampling = sampling  # type: ignore[assignment]  # shadows the method of the class on this instance
    try:
        yield
    finally:
        del network.sampling
