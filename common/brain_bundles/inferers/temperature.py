"""Sampling from a sharper density than the learned one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.networks.schedulers import RFlowScheduler

from brain_bundles.networks.preconditioning import VelocityPreconditioning


def tempered(
    network: Callable[..., torch.Tensor], scheduler: Any, temperature: float, variance: torch.Tensor | float = 1.0
) -> Callable[..., torch.Tensor]:
    """Multiply the noise that ``network`` predicts, so that sampling removes more of it.

    A temperature below 1 draws from the density p^(1/temperature): nearer to typical samples, with less variety, and
    with less of the grain that an uncertain network leaves. The factor is a ratio of the expected noise in
    ``x = a x_0 + b noise``: with the latents' variance multiplied by the temperature, over that with their actual
    variance. It is exact for normal densities.

    Args:
        network: called as ``network(x, timesteps=t)`` with x (B, C, D, H, W) and t (B,), all equal.
        scheduler: has the noise schedule and the network's prediction type.
        temperature: positive; 1 gives ``network`` itself.
        variance: variance of the training latents, one per channel (C,) or one for all.

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
        # Solve for the output: noise is b x + a v for a velocity v, x - a v for a flow's x_0 - noise, and
        # (x - a x_0) / b for x_0 itself.
        rest = b if scheduler.prediction_type == "v_prediction" else -1
        return factor * output + (factor - 1) * rest / a * x

    return predict


def channel_variance(network: object) -> torch.Tensor | float:
    """Variance of every channel (C,) of the latents that ``network`` was trained on; 1 if unknown."""
    preconditioning = getattr(network, "preconditioning", None)
    return preconditioning.std.square() if isinstance(preconditioning, VelocityPreconditioning) else 1.0
