"""MONAI's DDPM with defaults for latents; it refuses numbers of steps that would give wrong samples."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks import schedulers as monai_schedulers

from brain_bundles.schedulers.discrete import ExactNoising


class DDPMScheduler(ExactNoising, monai_schedulers.DDPMScheduler):
    """Ancestral sampling over all trained timesteps (Ho et al. 2020, arXiv 2006.11239).

    Args:
        num_train_timesteps, schedule, clip_sample, kwargs: as for MONAI's class, but ``clip_sample`` is off, because
            latents have no bounds.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "linear_beta",
        *,
        clip_sample: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_train_timesteps, schedule, clip_sample=clip_sample, **kwargs)

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """All trained timesteps, from noise to image.

        Raises:
            ValueError: for any other number than ``num_train_timesteps``: each step removes the noise of one trained
                step, so with fewer steps most of the noise would stay (error 5 times larger at 50 steps).
        """
        if num_inference_steps != self.num_train_timesteps:
            raise ValueError(
                f"DDPM takes exactly the {self.num_train_timesteps} steps it was trained with, got "
                f"num_inference_steps {num_inference_steps}; set it to {self.num_train_timesteps}, or use the sampler "
                "dpm_solver (15 steps) or ddim (50 steps)."
            )
        super().set_timesteps(num_inference_steps, device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step as in MONAI; ``generator`` may be on another device than the sample, and draws on its own device."""
        if generator is None or generator.device.type == sample.device.type:
            return super().step(model_output, int(timestep), sample, generator)
        there = generator.device
        moved, clean = super().step(model_output.to(there), int(timestep), sample.to(there), generator)
        return moved.to(sample.device), clean.to(sample.device)
