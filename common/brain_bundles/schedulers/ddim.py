"""DDIM with steps that end at the next timestep."""

from __future__ import annotations

from typing import Any

import torch

from brain_bundles.schedulers.discrete import DiscreteScheduler


class DDIMScheduler(DiscreteScheduler):
    """Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502).

    MONAI 1.6.1 spreads its timesteps evenly from T - 1 to 0 but steps by T // n, so a step ends at another noise
    level than that of the next call of the network. Here each step goes to the next entry of ``timesteps``.

    Args:
        eta: 0 is deterministic, 1 adds as much noise as DDPM does.
        num_train_timesteps, schedule, kwargs: as for :class:`DiscreteScheduler`.
    """

    def __init__(
        self, num_train_timesteps: int = 1000, schedule: str = "linear_beta", *, eta: float = 0.0, **kwargs: Any
    ) -> None:
        if not 0.0 <= eta <= 1.0:
            raise ValueError(f"eta must be in [0, 1], got {eta}; 0 is deterministic, 1 is as random as DDPM.")
        super().__init__(num_train_timesteps, schedule, **kwargs)
        self.eta = eta

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        eta: float | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step to the next entry of ``timesteps``.

        Args:
            model_output: output of the network for ``sample``, (B, C, D, H, W).
            timestep: an entry of ``timesteps``.
            sample: the noisy sample (B, C, D, H, W).
            eta: replaces the constructor's for this step.
            generator: draws the noise when eta > 0, on its own device.

        Returns:
            the sample at the next noise level, and the predicted clean sample; both (B, C, D, H, W).

        Raises:
            ValueError: for a timestep that is not in ``timesteps``, or shapes that differ.
        """
        index = self.step_index(timestep)
        now, then = self._levels[index], self._levels[index + 1]  # alpha_t and alpha_{t-1} in the paper
        clean, noise = self.predict(model_output, sample, now)
        eta = self.eta if eta is None else eta
        sigma = eta * ((1 - then) / (1 - now) * (1 - now / then)) ** 0.5  # equation 16
        direction = max(1 - then - sigma**2, 0.0) ** 0.5
        moved = then**0.5 * clean + direction * noise  # equation 12
        if sigma > 0:
            device = sample.device if generator is None else generator.device
            fresh = torch.randn(sample.shape, generator=generator, device=device, dtype=sample.dtype)
            moved = moved + sigma * fresh.to(sample.device)
        return moved, clean
