"""Batches of a distillation: a network learns to make several steps of its teacher in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from brain_bundles.engines.prepare_batch import LatentDiffusionPrepareBatch
from brain_bundles.inferers.denoise import denoise
from brain_bundles.inferers.denoiser import Denoiser
from brain_bundles.schedulers.ddim import DDIMScheduler
from brain_bundles.schedulers.rectified_flow import RFlowScheduler
from brain_bundles.utils.precision import autocast
from brain_bundles.utils.seeding import derive_seed

Batch = tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, torch.Tensor], tuple, dict[str, Any]]


class StepDistillationPrepareBatch(LatentDiffusionPrepareBatch):
    """As :class:`LatentDiffusionPrepareBatch`, with the velocity that leads to where several teacher's steps lead.

    A student of K steps of DDIM, or of rectified flow, is trained at its K time steps alone. From a noised latent the
    teacher makes ``teacher_steps`` steps, to the student's next time step; the target is the velocity with which one
    step arrives there.

    Args:
        *args: of :class:`LatentDiffusionPrepareBatch`; the prediction type is ``v_prediction`` or ``rectified_flow``.
        teacher: the trained network, in evaluation mode.
        denoiser: how the teacher is called: its guidance becomes the student's.
        sampler: with which the student will be sampled: of rectified flow, or DDIM without fresh noise whose spacing is
            "trailing", so that the teacher's steps meet the student's.
        num_student_steps: steps of the student, K.
        teacher_steps: steps of the teacher for each of the student.
        **kwargs: of :class:`LatentDiffusionPrepareBatch`.

    Raises:
        ValueError: for another prediction type or sampler, or fewer than one step.

    Source: Salimans and Ho 2022, arXiv:2202.00512, algorithm 2, in one round with more than two steps of the teacher.
    """

    def __init__(
        self,
        *args: Any,
        teacher: nn.Module,
        denoiser: Denoiser,
        sampler: DDIMScheduler | RFlowScheduler,
        num_student_steps: int = 4,
        teacher_steps: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if self.prediction_type == "epsilon":
            raise ValueError("prediction_type is 'epsilon'; a distillation needs 'v_prediction' or 'rectified_flow'.")
        plain_ddim = isinstance(sampler, DDIMScheduler) and sampler.eta == 0 and sampler.timestep_spacing == "trailing"
        if not plain_ddim and type(sampler) is not RFlowScheduler:  # its subclass remembers steps of other batches
            raise ValueError("sampler must be 'rflow', or 'ddim' with eta 0 and timestep_spacing 'trailing'.")
        if num_student_steps < 1 or teacher_steps < 1:
            raise ValueError(
                f"num_student_steps is {num_student_steps} and teacher_steps {teacher_steps}, expected 1 or more."
            )
        self.teacher, self.denoiser, self.sampler = teacher.eval().requires_grad_(False), denoiser, sampler
        self.teacher_steps = teacher_steps
        sampler.set_timesteps(num_student_steps)
        self.student_timesteps = sampler.timesteps.clone()
        sampler.set_timesteps(num_student_steps * teacher_steps)

    def __call__(
        self,
        batchdata: Mapping[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> Batch:
        latent, target, rest, extra = super().__call__(batchdata, device, non_blocking, **kwargs)
        distilled = self.velocity(latent, extra["noise"], extra["timesteps"], extra["condition"])
        return latent, (distilled, target[1]) if isinstance(target, tuple) else distilled, rest, extra

    @torch.no_grad()
    def velocity(
        self, latent: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        """The target (B, C, D, H, W) of latents and noise of this shape, timesteps (B,) and conditions (B, T, K)."""
        noisy = self.scheduler.add_noise(latent, noise, timesteps)
        result = torch.empty_like(latent)
        for timestep in timesteps.unique().tolist():
            mine = timesteps == timestep
            first = int((self.sampler.timesteps == timestep).nonzero())
            steps = self.sampler.timesteps[first : first + self.teacher_steps]
            predict = self.denoiser.bind(self.teacher, condition[mine])
            with autocast(self.denoiser.precision, latent.device):
                arrived, _ = denoise(predict, noisy[mine], self.sampler, steps)
            result[mine] = self._one_step(noisy[mine], arrived, first)
        return result

    def _one_step(self, noisy: torch.Tensor, arrived: torch.Tensor, first: int) -> torch.Tensor:
        """The velocity with which one step comes from ``noisy``, at the teacher's step ``first``, to ``arrived``."""
        if isinstance(self.sampler, RFlowScheduler):
            times = [*self.sampler.timesteps.tolist(), 0.0]
            length = (times[first] - times[first + self.teacher_steps]) / self.sampler.num_train_timesteps
            return (arrived - noisy) / length
        now, then = self.sampler.levels[first], self.sampler.levels[first + self.teacher_steps]
        ratio = ((1 - then) / (1 - now)) ** 0.5
        clean = (arrived - ratio * noisy) / (then**0.5 - ratio * now**0.5)
        eps = (noisy - now**0.5 * clean) / (1 - now) ** 0.5
        return now**0.5 * eps - (1 - now) ** 0.5 * clean

    def _random_timesteps(self, mean: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        drawn = [derive_seed(seed, "timestep") % len(self.student_timesteps) for seed in seeds.tolist()]
        return self.student_timesteps[drawn]

    def _spread_timesteps(self, number: int) -> torch.Tensor:
        """The student's time steps, in turn."""
        return self.student_timesteps.repeat(-(-number // len(self.student_timesteps)))[:number]
