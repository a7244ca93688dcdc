"""Timesteps of one walk from noise to image, or of a part of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks.schedulers import RFlowScheduler

from brain_bundles.schedulers.diffusers_adapter import DiffusersScheduler, check_scheduler, is_of_diffusers

# Share of the schedule: above the rounding errors of 1 - 0.94 and of float32 timesteps, below their distance.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class DenoisingSteps:
    """Number of steps over a noise schedule, and the part of it that a walk takes, as in diffusers.

    Args:
        scheduler: a MONAI scheduler, for example from :func:`make_scheduler`, or one of diffusers in :data:`SUPPORTED
            <brain_bundles.schedulers.diffusers_adapter.SUPPORTED>`; copied for each walk, never changed.
        num_inference_steps: steps over the whole schedule, one network evaluation each; Heun of diffusers has two.
        denoising_start: share of the denoising to skip before a walk from given latents. They are noised to the first
            timestep at or below the rest, 1 - ``denoising_start`` (Meng et al. 2021, arXiv:2108.01073). A walk from
            noise takes all steps.
        denoising_end: share of the denoising where a walk ends. At the last timestep at or above the rest,
            1 - ``denoising_end``, it takes the clean latent that the network predicts, the mean of all possible ones
            (Jolicoeur-Martineau et al. 2021, arXiv:2009.05475). This skips the steps that would draw the finest detail,
            much of it grain. 1 takes all steps.

    Raises:
        ValueError: unless 0 <= denoising_start < denoising_end <= 1, for a scheduler that cannot run, or for a number
            of steps that it refuses.
    """

    scheduler: Any
    num_inference_steps: int = 15
    denoising_start: float = 0.0
    denoising_end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.denoising_start < 1:
            raise ValueError(f"denoising_start must be at least 0 and below 1, got {self.denoising_start}.")
        if not self.denoising_start < self.denoising_end <= 1:
            raise ValueError(
                f"denoising_end must be above denoising_start and at most 1, got {self.denoising_end} with "
                f"denoising_start {self.denoising_start}."
            )
        check_scheduler(self.scheduler, self.num_inference_steps)
        self.begin()

    @property
    def ends_early(self) -> bool:
        """True if a walk ends before the schedule does, with the predicted clean latents."""
        return self.denoising_end < 1

    def begin(self, spatial_size: Sequence[int] | None = None, *, from_noise: bool = True) -> tuple[Any, torch.Tensor]:
        """A scheduler for one walk only, and the walk's timesteps, at least one.

        Args:
            spatial_size: of the latents, for schedules that depend on it; None takes the scheduler's base size.
            from_noise: begin with the first timestep, not at ``denoising_start``.
        """
        scheduler: Any = copy.deepcopy(self.scheduler)  # MONAI's base class does not declare step and set_timesteps
        if is_of_diffusers(scheduler):
            scheduler = DiffusersScheduler(scheduler)
        # Always on the CPU: the scheduler's tables are there, and so must be the indices into them.
        if isinstance(scheduler, RFlowScheduler) and scheduler.use_timestep_transform:
            numel = scheduler.base_img_size_numel if spatial_size is None else math.prod(spatial_size)
            scheduler.set_timesteps(self.num_inference_steps, input_img_size_numel=numel)
        else:
            scheduler.set_timesteps(self.num_inference_steps)
        start = 0.0 if from_noise else self.denoising_start
        return scheduler, _part(scheduler.timesteps, scheduler.num_train_timesteps, start, self.denoising_end)


def _part(timesteps: torch.Tensor, num_train_timesteps: int, start: float, end: float) -> torch.Tensor:
    """The timesteps from ``start`` to ``end`` of the denoising, both included; at least one."""
    left = timesteps.double() / num_train_timesteps  # share of the denoising that is left at each timestep
    first = min(int((left > 1 - start + _ROUNDING).sum()), len(timesteps) - 1)
    if 0 < first < len(timesteps) - 1 and timesteps[first] == timesteps[first + 1]:
        first += 1  # Heun asks twice at a timestep: to end a step, and to begin the next one
    last = int((left >= 1 - end - _ROUNDING).sum())
    return timesteps[first : max(last, first + 1)]
