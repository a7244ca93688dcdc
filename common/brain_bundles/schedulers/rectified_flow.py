"""MONAI's rectified flow with steps that match its timesteps."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks import schedulers as monai_schedulers
from monai.networks.schedulers.rectified_flow import timestep_transform


class RFlowScheduler(monai_schedulers.RFlowScheduler):
    """Straight lines from noise (t = num_train_timesteps) to image (t = 0); the network predicts image - noise.

    Differences from MONAI 1.6.1: a step goes to the next entry of ``timesteps`` (MONAI steps by 1 / n but rounds the
    timesteps); timesteps do not pass through float16, whose grid is 0.5 above 512; training timesteps include the
    start of sampling, ``num_train_timesteps``, and exclude the end, 0, where no step begins; the object is an
    initialised module and has ``get_velocity``.

    Source: Liu et al. 2023, arXiv 2209.03003.

    Args:
        args, kwargs: as for :class:`monai.networks.schedulers.RFlowScheduler`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        torch.nn.Module.__init__(self)  # MONAI's class does not call it, so printing an object raises
        super().__init__(*args, **kwargs)
        self.prediction_type = "rectified_flow"  # type: ignore[assignment]
        self.num_inference_steps: int | None = None
        if not self.use_timestep_transform:
            self.set_timesteps(self.num_train_timesteps)

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: str | torch.device | None = None,
        input_img_size_numel: int | None = None,
    ) -> None:
        """Timesteps from ``num_train_timesteps`` down in equal steps (before the transform), 0 not included.

        Raises:
            ValueError: unless 1 <= num_inference_steps <= num_train_timesteps; if the timestep transform is on and
                ``input_img_size_numel`` (voxels of the sample) is missing; if rounded timesteps coincide.
        """
        total = self.num_train_timesteps
        if not 1 <= num_inference_steps <= total:
            raise ValueError(f"num_inference_steps must be between 1 and {total}, got {num_inference_steps}.")
        timesteps = total - torch.arange(num_inference_steps, dtype=torch.float64) * total / num_inference_steps
        if self.use_timestep_transform:
            if input_img_size_numel is None:
                raise ValueError("use_timestep_transform needs set_timesteps(..., input_img_size_numel=voxels).")
            timesteps = timestep_transform(
                timesteps,
                input_img_size_numel=int(input_img_size_numel),
                base_img_size_numel=self.base_img_size_numel,
                scale=self.transform_scale,
                num_train_timesteps=total,
                spatial_dim=self.spatial_dim,
            )
        timesteps = timesteps + self.steps_offset
        timesteps = timesteps.round().long() if self.use_discrete_timesteps else timesteps.float()
        if bool((timesteps.diff() >= 0).any()):
            raise ValueError(
                f"{num_inference_steps} steps fall onto the same discrete timesteps after the transform; use fewer "
                "steps or use_discrete_timesteps=False."
            )
        self.num_inference_steps = num_inference_steps
        self.timesteps = timesteps.to(device)
        self._next = dict(zip(timesteps.tolist(), [*timesteps.tolist()[1:], 0], strict=True))

    def sample_timesteps(self, x_start: torch.Tensor) -> torch.Tensor:
        """Training timesteps (B,) in (0, num_train_timesteps] for samples (B, ...)."""
        timesteps = super().sample_timesteps(x_start)
        if self.use_discrete_timesteps and not self.use_timestep_transform:
            timesteps = timesteps + 1  # MONAI floors, so it draws 0 and never the start of sampling
        return timesteps.clamp(max=self.num_train_timesteps)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The network's target: the constant velocity from noise to image."""
        return sample - noise

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | float | torch.Tensor,
        sample: torch.Tensor,
        next_timestep: int | float | torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One Euler step.

        Args:
            model_output: predicted velocity (B, C, D, H, W).
            timestep: an entry of ``timesteps``.
            sample: the noisy sample (B, C, D, H, W).
            next_timestep: replaces the next entry of ``timesteps``.

        Returns:
            the sample at the next timestep, and the predicted clean sample; both (B, C, D, H, W).

        Raises:
            ValueError: for a timestep that is not in ``timesteps`` when ``next_timestep`` is not given.
        """
        now = timestep.item() if isinstance(timestep, torch.Tensor) else timestep
        if next_timestep is None:
            if now not in self._next:
                raise ValueError(
                    f"timestep {now} is not among the {self.num_inference_steps} timesteps of this run; walk over "
                    "`timesteps` after set_timesteps(), or give next_timestep."
                )
            next_timestep = self._next[now]
        length = (now - float(next_timestep)) / self.num_train_timesteps
        return sample + length * model_output, sample + now / self.num_train_timesteps * model_output
