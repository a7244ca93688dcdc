"""Sampling from a sharper density than the one that was learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.networks.schedulers import RFlowScheduler

from brain_bundles.networks.preconditioning import VelocityPreconditioning


def tempered(
    network: Callable[..., torch.Tensor], scheduler: Any, temperature: float, variance: torch.Tensor | float = 1.0
) -> Callable[..., torch.Tensor]:
    """``network``, with the noise that it finds in latents multiplied so that more of it is taken away.

    Below 1 that draws from the density p^(1/temperature): nearer to what is typical, and with less of the grain that
    a network leaves where it does not know better, at the price of variety. The factor is the ratio of the noise to be
    expected in ``x = a x_0 + b noise`` if the latents' variance were multiplied by the temperature, and as it is: exact
    for normal densities.

    Args:
        network: called as ``network(x, timesteps=t)`` with x (B, C, D, H, W) and t (B,), all alike.
        scheduler: knows the noise schedule and what the network predicts.
        temperature: positive; 1 gives ``network`` itself.
        variance: of the latents that the network was trained on, one per channel (C,) or one for all.

    Source: Ingraham et al. 2023, doi:10.1038/s41586-023-06728-8.
    """
    if temperature == 1:
        return network

    def predict(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
        output = network(x, timesteps=timesteps).to(x.dtype)
        if isinstance(scheduler, RFlowScheduler):
            b = float(timesteps[0]) / scheduler.num_train_timesteps
            a = 1 - b
        else:
            signal = float(scheduler.alphas_cumprod[int(timesteps[0])])
            a, b = signal**0.5, (1 - signal) ** 0.5
        shape = (-1, *(1,) * (x.ndim - 2))
        s2 = variance.to(x.device).reshape(shape) if isinstance(variance, torch.Tensor) else variance
        factor = (a**2 * s2 + b**2) / (a**2 * s2 * temperature + b**2)
        if a == 0 or scheduler.prediction_type == "epsilon":  # with a = 0 the factor is 1
            return factor * output
        # Solved for the output: noise is b x + a v for a velocity v, x - a v for a flow's x_0 - noise, and
        # (x - a x_0) / b for x_0 itself.
        rest = b if scheduler.prediction_type == "v_prediction" else -1
        return factor * output + (factor - 1) * rest / a * x

    return predict


def channel_variance(network: object) -> torch.Tensor | float:
    """Variance of every channel (C,) of the latents that ``network`` was trained on; 1 if unknown."""
    preconditioning = getattr(network, "preconditioning", None)
    return preconditioning.std.square() if isinstance(preconditioning, VelocityPreconditioning) else 1.0
