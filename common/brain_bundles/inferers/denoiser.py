"""Settings for the calls of a diffusion network in sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from brain_bundles.utils.memory_format import resolve_channels_last, set_channels_last, to_memory_format
from brain_bundles.utils.precision import check_precision

CONDITION_MODES = ("crossattn", "concat")


@dataclass(frozen=True)
class Denoiser:
    """Settings for the calls of a diffusion network: condition, guidance, precision and memory format.

    Args:
        mode: kind of condition, named as in MONAI's DiffusionInferer: "crossattn" for tokens (B, T, K), "concat" for a
            latent (B, C, D, H, W) beside the noisy latent.
        guidance_scale: classifier-free guidance; above 1 follows the condition more closely, with less variety, in
            twice the time. 1 is the learned density.
        condition_dropout: share of the samples that the training showed without condition; guidance needs some.
        precision: "fp32", "bf16", "fp16" or "auto", see :func:`~brain_bundles.utils.resolve_precision`.
        channels_last: run the network with channels as the fastest axis; None chooses the faster format.

    Raises:
        ValueError: for a value that is not allowed; the message says what is allowed.

    Source: Ho and Salimans 2022, arXiv:2207.12598, equation 6 with guidance_scale = w + 1.
    """

    mode: str = "crossattn"
    guidance_scale: float = 1.0
    condition_dropout: float = 0.0
    precision: str = "auto"
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        if self.mode not in CONDITION_MODES:
            raise ValueError(f"mode is {self.mode!r}; allowed: {', '.join(CONDITION_MODES)}.")
        if self.guidance_scale < 0:
            raise ValueError(f"guidance_scale must not be negative, got {self.guidance_scale}.")
        if self.guidance_scale != 1 and (self.condition_dropout <= 0 or self.mode != "crossattn"):
            raise ValueError(
                f"guidance_scale is {self.guidance_scale:g}, but the network cannot sample without its condition: it "
                "was trained without condition_dropout. Use guidance_scale 1, or train with condition_dropout 0.1."
            )
        check_precision(self.precision)

    def check_condition(self, condition: torch.Tensor) -> None:
        """Raise ValueError if the condition has no samples or its shape does not fit ``mode``."""
        dimensions, form = ((3,), "(B, T, K)") if self.mode == "crossattn" else ((4, 5), "(B, C, [D,] H, W)")
        if condition.ndim not in dimensions or len(condition) == 0:
            raise ValueError(f"the condition must have shape {form} with B > 0, got {tuple(condition.shape)}.")

    def bind(self, network: Callable[..., torch.Tensor], condition: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The network as a function ``predict(x, timesteps=t)`` of latents and timesteps alone, for one walk.

        The network's weights are put into the memory format in place. The caller sets the precision: one
        :func:`~brain_bundles.utils.autocast` around the walk keeps low-precision copies of the weights between steps.

        Args:
            network: called as ``network(x, timesteps=t, context=condition)`` with x (B, C, D, H, W) and t (B,); with
                mode concat as ``network(x, timesteps=t)`` with the noisy latent and the condition in x.
            condition: (B, T, K), or (B, C, D, H, W).
        """
        channels_last = resolve_channels_last(self.channels_last, self.precision, condition.device)
        if channels_last and isinstance(network, nn.Module):
            set_channels_last(network)
        concat = self.mode == "concat"
        options = {} if concat else {"context": condition}

        def conditioned(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
            inputs = torch.cat([x, condition], dim=1) if concat else x
            return network(to_memory_format(inputs, channels_last), timesteps=timesteps, **options)

        def guided(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
            both = torch.cat([torch.full_like(condition, float("nan")), condition])
            twice = to_memory_format(torch.cat([x, x]), channels_last)
            without, given = network(twice, timesteps=timesteps.repeat(2), context=both).chunk(2)
            return without + self.guidance_scale * (given - without)

        return conditioned if self.guidance_scale == 1 else guided
