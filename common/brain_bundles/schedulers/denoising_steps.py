"""The timesteps of one walk from noise to image, or of a part of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks.schedulers import RFlowScheduler

from brain_bundles.schedulers.diffusers_adapter import DiffusersScheduler, check_scheduler, is_of_diffusers

# Of the schedule: more than 1 - 0.94 and float32 timesteps are off by, less than timesteps lie apart.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class DenoisingSteps:
    """How many steps a walk takes over a noise schedule, and over which part of it, as in diffusers.

    Args:
        scheduler: of MONAI, for example of :func:`make_scheduler`, or one of diffusers in :data:`SUPPORTED
            <brain_bundles.schedulers.diffusers_adapter.SUPPORTED>`; copied for each walk, never changed.
        num_inference_steps: steps over the whole schedule. Each asks the network once; Heun of diffusers asks twice.
        denoising_start: share of the denoising that is left out before a walk from given latents. They are noised to
            the first timestep that is not above the rest, 1 - ``denoising_start`` (Meng et al. 2021, arXiv:2108.01073).
            A walk from noise alone takes all steps.
        denoising_end: share of the denoising where a walk ends. At the last timestep that is not below the rest,
            1 - ``denoising_end``, it takes the clean latent that the network predicts, the mean of what is possible
            there (Jolicoeur-Martineau et al. 2021, arXiv:2009.05475). The steps that would draw the finest detail, much
            of it grain, are left out. 1 takes all steps.

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
        """A walk ends before the schedule does, with the predicted clean latents."""
        return self.denoising_end < 1

    def begin(self, spatial_size: Sequence[int] | None = None, *, from_noise: bool = True) -> tuple[Any, torch.Tensor]:
        """A scheduler for one walk alone, and the timesteps to take with it, one at least.

        Args:
            spatial_size: of the latents, for schedules that depend on it; None takes the scheduler's base size.
            from_noise: begin with the first timestep, not at ``denoising_start``.
        """
        scheduler: Any = copy.deepcopy(self.scheduler)  # MONAI's base class does not declare step and set_timesteps
        if is_of_diffusers(scheduler):
            scheduler = DiffusersScheduler(scheduler)
        # Never on a device: the scheduler's tables live on the CPU, and so do the indices into them.
        if isinstance(scheduler, RFlowScheduler) and scheduler.use_timestep_transform:
            numel = scheduler.base_img_size_numel if spatial_size is None else math.prod(spatial_size)
            scheduler.set_timesteps(self.num_inference_steps, input_img_size_numel=numel)
        else:
            scheduler.set_timesteps(self.num_inference_steps)
        start = 0.0 if from_noise else self.denoising_start
        return scheduler, _part(scheduler.timesteps, scheduler.num_train_timesteps, start, self.denoising_end)


def _part(timesteps: torch.Tensor, num_train_timesteps: int, start: float, end: float) -> torch.Tensor:
    """The timesteps from ``start`` to ``end``, both included, of the denoising; one at least."""
    left = timesteps.double() / num_train_timesteps  # share of the denoising that is left at each timestep
    first = min(int((left > 1 - start + _ROUNDING).sum()), len(timesteps) - 1)
    if 0 < first < len(timesteps) - 1 and timesteps[first] == timesteps[first + 1]:
        first += 1  # Heun asks twice at a timestep: to end a step, and to begin the next one
    last = int((left >= 1 - end - _ROUNDING).sum())
    return timesteps[first : max(last, first + 1)]
