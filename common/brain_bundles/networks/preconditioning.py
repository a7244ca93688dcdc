"""Scaling of a denoising network's input and output to unit variance, in every channel and at every noise level."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from monai.networks.schedulers import Scheduler
from torch import nn


class HasChannelStd(Protocol):
    """For example :class:`brain_bundles.data.CachedLatents`."""

    def channel_std(self) -> torch.Tensor:
        """Standard deviation of every channel (C,)."""
        ...


class VelocityPreconditioning(nn.Module):
    """Coefficients that make a network F predict the velocity of latents whose channels differ in scale.

    A noisy latent is ``y = a x + b n`` with ``a^2 + b^2 = 1``, noise n and a latent x of standard deviation s in its
    channel. F sees ``c_in y``, and ``a n - b x``, the velocity, is ``c_skip y + c_out F(c_in y)`` with

        c_in = 1 / sqrt(a^2 s^2 + b^2),  c_skip = a b (1 - s^2) c_in^2,  c_out = s c_in.

    The skip is the best linear estimate, so the remainder for F has unit variance too. In a channel with a small s the
    velocity is nearly proportional to the noisy latent. Without the skip such a channel is learned last, and stays
    noisy in short trainings. With s = 1 F is the velocity and nothing changes.

    Args:
        channels: number of latent channels.
        scheduler: noise schedule of the training; its ``alphas_cumprod`` is a^2.

    Source: Karras et al. 2022, arXiv:2206.00364, appendix B.6, with one s for all data and another noise schedule.
    """

    std: torch.Tensor
    alphas_cumprod: torch.Tensor

    def __init__(self, channels: int, scheduler: Scheduler) -> None:
        super().__init__()
        self.register_buffer("std", torch.ones(channels))
        schedule = cast(Any, scheduler).alphas_cumprod.detach().clone().float()
        self.register_buffer("alphas_cumprod", schedule, persistent=False)

    def set_std(self, std: torch.Tensor) -> None:
        """Set the standard deviation of every channel (C,).

        Raises:
            ValueError: for another shape, or if one is not positive.
        """
        self._set("std", std)

    def _set(self, name: str, std: torch.Tensor) -> None:
        buffer = self.get_buffer(name)
        if std.shape != buffer.shape or not bool((std > 0).all()):
            raise ValueError(f"expected {len(buffer)} positive standard deviations, got {std.tolist()}.")
        buffer.copy_(std)

    def coefficients(self, timesteps: torch.Tensor, ndim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(c_in, c_skip, c_out), each (B, C, 1, ...) with ``ndim`` axes, for timesteps (B,) of the schedule."""
        shape = (-1, len(self.std), *(1,) * (ndim - 2))
        signal = self.alphas_cumprod[timesteps.long()].reshape(-1, 1)
        variance = signal * self.std**2 + 1 - signal
        c_in = variance.rsqrt()
        c_skip = (signal * (1 - signal)).sqrt() * (1 - self.std**2) / variance
        return c_in.reshape(shape), c_skip.reshape(shape), (self.std * c_in).reshape(shape)


def measure_preconditioning(network: nn.Module, latents: HasChannelStd) -> nn.Module:
    """Set the standard deviations of the training latents in ``network``, if it is preconditioned; return it."""
    preconditioning = getattr(network, "preconditioning", None)
    if isinstance(preconditioning, VelocityPreconditioning):
        preconditioning.set_std(latents.channel_std())
    return network
