"""The denoising loop: a function without state over a network, latents and a schedule."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tqdm import tqdm

from brain_bundles.schedulers.diffusers_adapter import DiffusersScheduler


def denoise(
    network: Callable[..., torch.Tensor],
    latents: torch.Tensor,
    scheduler: Any,
    timesteps: torch.Tensor,
    *,
    generators: Sequence[torch.Generator] | None = None,
    progress: bool = False,
    correct: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Denoise latents along timesteps.

    Args:
        network: called as ``network(x, timesteps=t)`` with x (B, C, D, H, W) and t (B,), in any precision.
        latents: (B, C, D, H, W) with the noise of the first timestep. The scheduler's arithmetic keeps their dtype.
        scheduler: from :meth:`~brain_bundles.schedulers.DenoisingSteps.begin`. A scheduler that remembers its last step
            must be a fresh one.
        timesteps: (T,), consecutive timesteps of the scheduler.
        generators: one per sample, for schedulers that draw noise; None draws from the global random state.
        progress: show a bar over the steps, on a terminal.
        correct: changes the clean latents (B, C, D, H, W) that each step predicts; None leaves them.

    Returns:
        the latents after the last timestep, and the clean latents predicted at it; both (B, C, D, H, W).
    """
    clean, scaled = latents, isinstance(scheduler, DiffusersScheduler)
    # A copy, which remembers the steps that are only asked for; those of diffusers can be asked without one.
    probe = scheduler if scaled or correct is None else copy.deepcopy(scheduler)
    for timestep in tqdm(timesteps, desc="sampling", leave=False, disable=None if progress else True):
        inputs, time = scheduler.model_inputs(latents, timestep) if scaled else (latents, timestep.item())
        times = torch.full((len(latents),), time, device=latents.device)
        output = network(inputs, timesteps=times).to(latents.dtype)
        if correct is not None:
            output = _corrected(probe, output, timestep, latents, correct)
        latents, clean = _step(scheduler, output, timestep, latents, generators)
    return latents, clean


def _corrected(
    scheduler: Any,
    output: torch.Tensor,
    timestep: torch.Tensor,
    latents: torch.Tensor,
    correct: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """The output of the network that predicts corrected clean latents: these are a linear function of it."""
    clean = _clean(scheduler, output, timestep, latents)
    one = torch.ones((1,) * latents.ndim, dtype=latents.dtype, device=latents.device)
    unit = _clean(scheduler, one, timestep, torch.zeros_like(one))
    return output + (correct(clean) - clean) / unit


def _clean(scheduler: Any, output: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """The clean latents that an output predicts; ``scheduler`` is a copy, which may remember the step."""
    if isinstance(scheduler, DiffusersScheduler):
        return scheduler.clean(output, timestep, latents)
    scratch = [torch.Generator(latents.device) for _ in latents]
    return _step(scheduler, output, timestep, latents, scratch)[1]


def _step(
    scheduler: Any,
    output: torch.Tensor,
    timestep: torch.Tensor,
    latents: torch.Tensor,
    generators: Sequence[torch.Generator] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents at the next noise level, and the predicted clean latents."""
    if isinstance(scheduler, DiffusersScheduler):
        return scheduler.step(output, timestep, latents, generators)
    # Only MONAI's schedulers whose step takes a generator draw noise, and they keep no state between steps.
    if generators is None or "generator" not in inspect.signature(scheduler.step).parameters:
        following, clean = scheduler.step(output, timestep, latents)
        return following, clean
    parts = [
        scheduler.step(one, timestep, noisy, generator=random)
        for one, noisy, random in zip(output.split(1), latents.split(1), generators, strict=True)
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
