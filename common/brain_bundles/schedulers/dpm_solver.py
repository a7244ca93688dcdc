"""DPM-Solver++ (2M): good samples in 10 to 20 steps."""

from __future__ import annotations

import math
from typing import Any

import torch

from brain_bundles.schedulers.discrete import DiscreteScheduler
from brain_bundles.schedulers.timesteps import half_log_snr


class DPMSolverMultistepScheduler(DiscreteScheduler):
    """Second-order multistep solver in data prediction (Lu et al. 2022, arXiv 2211.01095, algorithm 2).

    It remembers the last predicted clean sample, and so walks one batch at a time. :meth:`set_timesteps`, the first
    timestep and the end of a walk drop this memory. A step after a gap in the timesteps does not use it.

    The step to the clean image is of first order: in log(signal / noise) it is infinitely long, so extrapolation over
    it has no meaning. At order 2 this is exactly what diffusers' ``lower_order_final`` does.

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
        self._last: tuple[int, torch.Tensor] | None = None
        super().__init__(num_train_timesteps, schedule, timestep_spacing=timestep_spacing, **kwargs)

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose timesteps as in :class:`DiscreteScheduler`, and forget the previous run."""
        self._last = None
        super().set_timesteps(num_inference_steps, device)

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
        now, then = self._levels[index], self._levels[index + 1]
        clean, _ = self.predict(model_output, sample, now)
        is_last = index + 1 == len(self.timesteps)
        if is_last:
            self._last = None
            return clean, clean
        step = half_log_snr(then) - half_log_snr(now)  # h_i
        estimate = clean
        before = self._last
        if before is not None and before[0] == index - 1 and before[1].shape == clean.shape:
            last_step = half_log_snr(now) - half_log_snr(self._levels[index - 1])  # h_{i-1}
            estimate = clean + step / (2 * last_step) * (clean - before[1])  # D_i
        self._last = (index, clean)
        ratio = ((1 - then) / (1 - now)) ** 0.5  # sigma_{t_i} / sigma_{t_{i-1}}
        return ratio * sample - then**0.5 * math.expm1(-step) * estimate, clean
