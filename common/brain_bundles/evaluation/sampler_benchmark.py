"""Sampler table of a latent diffusion model: time and error of few-step samplers from the same noise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.networks.nets import AutoencoderKL

from brain_bundles.evaluation.sampler_table import ROWS, SamplerRow, sampler_table
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler

logger = logging.getLogger(__name__)

_RECTIFIED_FLOW_ROWS = (("rflow", 10), ("rflow", 20), ("rflow", 50), *ROWS[-3:])


def benchmark_samplers(
    network: Callable[..., torch.Tensor],
    autoencoder: AutoencoderKL,
    context: torch.Tensor,
    *,
    latent_shape: Sequence[int],
    prediction_type: str,
    seeds: Sequence[int],
    rows: Sequence[tuple[str, int]] | None = None,
    reference_steps: int = 1000,
    precision: str = "auto",
    denoising_end: float = 1.0,
    **schedule: Any,
) -> list[SamplerRow]:
    """Run few-step samplers and a long reference with the same seeds and conditions.

    The reference runs in fp32, the rows in ``precision``: the error is the total error of what a user gets.

    Args:
        network: called as ``network(x, timesteps=t, context=context)``.
        autoencoder: decodes normalised latents.
        context: (B, 1, K) conditions, on the device to run on.
        latent_shape: (C, D, H, W) of one latent.
        prediction_type: prediction that the network was trained for.
        seeds: B integers.
        rows: (sampler, steps); by default DDIM (for a rectified flow rflow) 10/20/50 and DPM-Solver++ 10/15/20.
        reference_steps: steps of the reference, DDIM or rflow.
        precision: precision of the rows.
        denoising_end: for rows and reference, see :class:`~brain_bundles.schedulers.DenoisingSteps`.
        schedule: further arguments of ``make_scheduler``: betas, num_train_timesteps.
    """
    flow = prediction_type == "rectified_flow"
    if rows is None:
        rows = _RECTIFIED_FLOW_ROWS if flow else ROWS
    reference = ("rflow" if flow else "ddim", reference_steps)

    def draw(name: str, steps: int, samples: slice) -> tuple[torch.Tensor, torch.Tensor]:
        own_precision = "fp32" if (name, steps) == reference else precision
        scheduler = make_scheduler(name, prediction_type=prediction_type, **schedule)
        sampler = LatentSampler(
            DenoisingSteps(scheduler, steps, denoising_end=denoising_end),
            Denoiser(precision=own_precision),
            LatentDecoder(autoencoder, precision=own_precision),
            latent_shape=latent_shape,
        )
        latents = sampler.sample_latents(context[samples], network, seeds=seeds[samples])
        return latents, sampler.decoder(latents)

    def draw_all(name: str, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        logger.info("sampler table: %s, %d steps", name, steps)
        return draw(name, steps, slice(None))

    draw(*rows[0], slice(1))  # warm-up
    return sampler_table(draw_all, rows=rows, reference=reference)
