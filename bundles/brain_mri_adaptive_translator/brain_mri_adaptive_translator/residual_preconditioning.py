"""Preconditioning with a target-like latent: the diffusion network learns the residual, in the residual's unit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from brain_bundles.networks import VelocityPreconditioning
from brain_bundles.utils import autocast, plain_tensor
from monai.networks.schedulers import Scheduler
from torch import nn

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder


class ResidualPreconditioning(VelocityPreconditioning):
    """Coefficients that make a network F predict the velocity of latents with a known estimate.

    The noisy latent is ``y = a x + b n``, with ``a^2 + b^2 = 1`` and noise n. Around an estimate m of the latent x,
    ``y - a m`` is a noisy residual ``a (x - m) + b n``, and the velocity ``a n - b x`` is the residual's minus ``b m``.
    The coefficients are those of :class:`~brain_bundles.networks.VelocityPreconditioning` for the residual's standard
    deviation. So with F = 0 the network gives the best linear estimate from y and m; from noise alone this is m itself.
    A short training starts from the result of MS-SPADE, and F learns the residual.

    F sees the best linear estimate of the residual, in the residual's unit, not the noisy residual at unit variance.
    Otherwise, where noise hides the residual, F would see noise of full size, and its output would change with the
    seed (decision 58).

    Args:
        channels: channels of the latents.
        scheduler: scheduler with the ``alphas_cumprod`` of the training, a^2.
    """

    estimate_std: torch.Tensor

    def __init__(self, channels: int, scheduler: Scheduler) -> None:
        super().__init__(channels, scheduler)
        self.register_buffer("estimate_std", torch.ones(channels))

    def set_estimate_std(self, std: torch.Tensor) -> None:
        """Set the standard deviation of every channel (C,) of the estimate, the unit in which F sees latents.

        Raises:
            ValueError: for another shape, or if one is not positive.
        """
        self._set("estimate_std", std)

    def split(
        self, noisy: torch.Tensor, known: Sequence[torch.Tensor], timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the input of F (B, (1 + n) C, ...), the factor for its output (B, C, ...), and the term to add then.

        Args:
            noisy: noisy latents (B, C, ...).
            known: n latents (B, C, ...), the first of them the estimate of the clean ones.
            timesteps: timesteps (B,) of the schedule.
        """
        estimate = known[0]
        shape = (-1, *(1,) * (noisy.ndim - 1))
        signal = self.alphas_cumprod[timesteps.long()].to(noisy.dtype).reshape(shape)
        c_in, c_skip, c_out = (c.to(noisy.dtype) for c in self.coefficients(timesteps, noisy.ndim))
        residual = noisy - signal.sqrt() * estimate
        seen = signal.sqrt() * c_out * c_in * residual  # times a s^2 c_in^2, divided by s
        scale = self.estimate_std.to(noisy.dtype).reshape(-1, *(1,) * (noisy.ndim - 2))
        inputs = torch.cat([seen, *(latent / scale for latent in known)], dim=1)
        return inputs, c_out, c_skip * residual - (1 - signal).sqrt() * estimate


@torch.no_grad()
def measure_residuals(
    network: nn.Module,
    pairs: Iterable[Mapping[str, Any]],
    autoencoder: AdaptiveAutoencoder,
    max_pairs: int = 64,
    precision: str = "fp32",
) -> nn.Module:
    """Set the standard deviations in the preconditioning of ``network``, if it has one; return ``network``.

    Args:
        network: network with an attribute ``preconditioning``.
        pairs: items of :class:`~brain_bundles.transforms.RandContrastPair` on cached latents.
        autoencoder: its MS-SPADE makes the estimates.
        max_pairs: largest number of pairs to measure.
        precision: precision of MS-SPADE: fp32, bf16, fp16 or auto.
    """
    preconditioning = getattr(network, "preconditioning", None)
    if not isinstance(preconditioning, ResidualPreconditioning):
        return network
    device = next(autoencoder.parameters()).device
    autoencoder.eval()
    estimates, residuals = [], []
    for pair in itertools.islice(pairs, max_pairs):
        source, target = (plain_tensor(pair[key]).to(device) for key in ("image_mean", "label_mean"))
        with autocast(precision, device):
            estimate = autoencoder.target_like(source[None].float(), [int(pair["target"])])[0].float()
        estimates.append(_mean_and_square(estimate))
        residuals.append(_mean_and_square(target.float() - estimate))
    preconditioning.set_estimate_std(_std(estimates))
    preconditioning.set_std(_std(residuals))
    return network


def _mean_and_square(latent: torch.Tensor) -> torch.Tensor:
    """Mean and mean square per channel, (2, C), float64."""
    values = latent.flatten(1).double()
    return torch.stack([values.mean(1), values.square().mean(1)])


def _std(moments: list[torch.Tensor]) -> torch.Tensor:
    mean, square = torch.stack(moments).mean(0)
    return (square - mean.square()).sqrt().float()
