"""Decoding of latents to images."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from brain_bundles.utils.memory_format import resolve_channels_last, set_channels_last, to_memory_format
from brain_bundles.utils.precision import autocast, check_precision


class LatentDecoder:
    """Decode normalised latents, one sample after the other.

    Args:
        autoencoder: has ``decode_stage_2_outputs``.
        precision: "fp32", "bf16", "fp16" or "auto", see :func:`~brain_bundles.utils.resolve_precision`.
        channels_last: run the decoder with channels as the fastest axis; None chooses the faster format.
        slab_size: slices to decode at a time, with a third of the memory; None decodes whole volumes.

    Raises:
        ValueError: for an unknown precision, a slab size below 1, or a slab size if the autoencoder takes none.
    """

    def __init__(
        self,
        autoencoder: nn.Module,
        *,
        precision: str = "auto",
        channels_last: bool | None = None,
        slab_size: int | None = None,
    ) -> None:
        check_precision(precision)
        self.autoencoder: Any = autoencoder
        decode: Any = autoencoder.decode_stage_2_outputs
        if slab_size is not None:
            if "slab_size" not in inspect.signature(decode).parameters:
                raise ValueError(f"decode_slab_size needs a LatentAutoencoderKL, got a {type(autoencoder).__name__}.")
            if slab_size < 1:
                raise ValueError(f"decode_slab_size must be a positive number of slices, got {slab_size}.")
        self.precision, self.channels_last, self.slab_size = precision, channels_last, slab_size

    @contextmanager
    def computing(self, device: torch.device) -> Iterator[bool]:
        """Precision and memory format of every pass of the autoencoder, also before the first decoding.

        Yields True if channels are last. Encoding outside of it would give the first volume of a process other bits
        than the later ones, whose weights a decoding has put into another format.
        """
        channels_last = resolve_channels_last(self.channels_last, self.precision, device)
        if channels_last:
            set_channels_last(self.autoencoder)
        with torch.inference_mode(), autocast(self.precision, device):
            yield channels_last

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, D, H, W) in [0, 1], float32, of normalised latents (B, C, D, H, W)."""
        options = {} if self.slab_size is None else {"slab_size": self.slab_size}
        images = []
        with self.computing(latents.device) as channels_last:
            for latent in latents.split(1):
                image = self.autoencoder.decode_stage_2_outputs(to_memory_format(latent, channels_last), **options)
                images.append(image.float().clamp_(0.0, 1.0).contiguous())
        return torch.cat(images)
