"""Base of samplers over a discrete noise schedule: timesteps, noising, conversions between predictions.

Notation: ``alpha_bar`` is the cumulative product of 1 - beta, so x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise
(Ho et al. 2020, arXiv 2006.11239, equation 4). The clean image has alpha_bar 1.
"""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.schedulers import NoiseSchedules, Scheduler

from brain_bundles.schedulers.timesteps import make_timesteps

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


class ExactNoising:
    """Mixin for MONAI schedulers whose ``add_noise`` and ``get_velocity`` leave the noise schedule alone.

    MONAI casts its table to the dtype of the samples and keeps the result: after one call with bfloat16 samples every
    later step has three digits. Here the table stays in float64 and only the coefficients are cast.
    """

    alphas_cumprod: torch.Tensor

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Noisy samples (B, ...) of clean ones (B, ...) at timesteps (B,)."""
        signal, spread = self._coefficients(original_samples, timesteps)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The target of v-prediction, sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0 (Salimans & Ho 2022)."""
        signal, spread = self._coefficients(sample, timesteps)
        return signal * noise - spread * sample

    def _coefficients(self, like: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alpha_bar = self.alphas_cumprod.double().to(like.device)[timesteps.to(like.device)]
        alpha_bar = alpha_bar.view(-1, *(1,) * (like.ndim - 1))
        return alpha_bar.sqrt().to(like.dtype), (1 - alpha_bar).sqrt().to(like.dtype)


class DiscreteScheduler(ExactNoising, Scheduler):
    """Base of samplers that step from each entry of ``timesteps`` to the next one, and from the last to alpha_bar 1.

    Args:
        num_train_timesteps: number of steps of the noise schedule that the network was trained on.
        schedule: name in :class:`monai.networks.schedulers.NoiseSchedules`.
        prediction_type: output of the network: "epsilon" (noise), "v_prediction" or "sample" (clean image).
        timestep_spacing: "trailing", "leading", "linspace" or "logsnr", see :func:`make_timesteps`.
        clip_sample: clip the predicted clean sample; off, because latents have no bounds.
        clip_sample_min, clip_sample_max: bounds when ``clip_sample``.
        schedule_args: arguments of the noise schedule, for example ``beta_start`` and ``beta_end``.

    Raises:
        ValueError: for an unknown ``schedule``, ``prediction_type`` or ``timestep_spacing``.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "linear_beta",
        prediction_type: str = "epsilon",
        timestep_spacing: str = "trailing",
        clip_sample: bool = False,
        clip_sample_min: float = -1.0,
        clip_sample_max: float = 1.0,
        **schedule_args: Any,
    ) -> None:
        if schedule not in NoiseSchedules:
            raise ValueError(f"schedule must be one of {sorted(NoiseSchedules.names)}, got {schedule!r}.")
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(
                f"prediction_type must be one of {list(PREDICTION_TYPES)}, got {prediction_type!r}; use the one "
                "that the network was trained with."
            )
        super().__init__(num_train_timesteps, schedule, **schedule_args)
        self.prediction_type = prediction_type
        self.timestep_spacing = timestep_spacing
        self.clip_sample = clip_sample
        self.clip_sample_values = (clip_sample_min, clip_sample_max)
        self._alpha_bar: list[float] = self.alphas_cumprod.double().tolist()
        self.set_timesteps(num_train_timesteps)

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose the timesteps of a run; a scheduler may be used for any number of runs, one after the other.

        Raises:
            ValueError: unless 1 <= num_inference_steps <= num_train_timesteps.
        """
        timesteps = make_timesteps(num_inference_steps, self._alpha_bar, self.timestep_spacing)
        self.num_inference_steps = num_inference_steps
        self.timesteps = torch.tensor(timesteps, dtype=torch.int64, device=device)
        self._index = {timestep: index for index, timestep in enumerate(timesteps)}
        self._levels = [self._alpha_bar[timestep] for timestep in timesteps] + [1.0]

    @property
    def levels(self) -> list[float]:
        """alpha_bar at each of ``timesteps``, and 1, where the last step ends."""
        return self._levels

    def step_index(self, timestep: int | torch.Tensor) -> int:
        """Position of ``timestep`` in ``timesteps``.

        Raises:
            ValueError: when it is not there: no step begins at it.
        """
        index = self._index.get(int(timestep))
        if index is None:
            raise ValueError(
                f"timestep {int(timestep)} is not among the {self.num_inference_steps} timesteps of this run "
                f"({self.timesteps[0]} ... {self.timesteps[-1]}); walk over `timesteps` after set_timesteps()."
            )
        return index

    def predict(
        self, model_output: torch.Tensor, sample: torch.Tensor, alpha_bar: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Convert the network's output to the clean sample and the noise, both shaped like ``sample`` (B, C, ...).

        Raises:
            ValueError: when the network's output is not shaped like the sample.
        """
        if model_output.shape != sample.shape:
            raise ValueError(
                f"model_output has shape {tuple(model_output.shape)}, sample has {tuple(sample.shape)}; they must be "
                "equal (check out_channels of the network against the latent channels)."
            )
        signal, spread = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
        if self.prediction_type == "epsilon":
            clean, noise = (sample - spread * model_output) / signal, model_output
        elif self.prediction_type == "sample":
            clean, noise = model_output, (sample - signal * model_output) / spread
        else:
            clean, noise = signal * sample - spread * model_output, signal * model_output + spread * sample
        if self.clip_sample:
            clean = clean.clamp(*self.clip_sample_values)
        return clean, noise
