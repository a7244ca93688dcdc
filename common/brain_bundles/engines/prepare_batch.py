"""Batches of a diffusion training: input, target and time steps from cached latent moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.networks.schedulers import RFlowScheduler, Scheduler

from brain_bundles.engines.per_sample_noise import per_sample_randn
from brain_bundles.inferers.denoiser import CONDITION_MODES
from brain_bundles.losses.error_weights import channel_weights, inverse_variance_weights
from brain_bundles.networks.preconditioning import VelocityPreconditioning
from brain_bundles.schedulers.factory import TRAINED_TO_PREDICT
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.seeding import SAMPLE_SEED, derive_seed


class LatentDiffusionPrepareBatch(PrepareBatch):
    """(latent, (target, weight), (), {noise, timesteps, condition}) for MONAI's DiffusionInferer and SupervisedTrainer.

    The weight is the factor of the squared error, for :class:`~brain_bundles.losses.WeightedMSELoss`. In
    validation the target has no weight: trainings with different weights can be compared by their mean squared error.

    A batch holds ``mean`` and ``sigma`` (B, C, d, h, w), or (B, C, h, w), of the normalised latents and ``sample_seed``
    (B,). The latent is drawn anew as mean + sigma * noise. All draws of a sample come from its seed alone, so they do
    not depend on the batch, the rank or the device.

    Args:
        scheduler: the noise schedule of the training; a rectified flow scheduler also draws the time steps.
        prediction_type: ``epsilon`` (target: the noise), ``v_prediction`` (the velocity of Salimans & Ho 2022,
            arXiv:2202.00512) or ``rectified_flow`` (latent - noise, as MONAI's RFlowScheduler expects it).
        latent_key: name of the image whose latent is learned, if batches hold several (``<name>_mean``,
            ``<name>_sigma``); None if they hold one.
        condition_key: entry of the batch with the condition; None for no condition.
        condition_mode: kind of condition, named as in MONAI's DiffusionInferer: ``crossattn`` for (B, features) or
            (B, tokens, features), ``concat`` for channels beside the noisy latent, (B, channels, d, h, w).
        num_validation_timesteps: None draws a random time step per sample, for training. A number repeats every sample
            at that many evenly spread time steps, for validation: with the same data in every epoch the loss is then a
            smooth curve. The batch grows by this factor, and the target has no weight.
        expected_error: squared error expected of a trained network; it weighs elements by this and their target's
            :meth:`variance`, see :func:`~brain_bundles.losses.inverse_variance_weights`. None ignores the variance.
        preconditioning: preconditioning of the network. Errors count in units of its ``c_out``, so that all channels
            and noise levels have equal weight.
        noise_alone: every sample is at the last time step, where there is noise alone, also in validation. The network
            then learns the mean latent given the condition: a plain regression.
        condition_dropout: share of the samples of a training that are shown without their condition, as NaN, for
            classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598); the network has to know what NaN means.
        channel_weight_power: with ``preconditioning``, the weight of a channel is its standard deviation to this power,
            scaled to a mean of 1. 0 weighs a channel of faint detail like one with the anatomy. With 2, at high noise
            and for latents of an orthonormal transform, errors count as they do in the image.

    Raises:
        ValueError: for an unknown prediction type or one that is not the scheduler's, fewer than one time step, a power
            below 0, or an expected error that is not positive; when called, for a batch that lacks an entry.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        prediction_type: str = "epsilon",
        *,
        latent_key: str | None = None,
        condition_key: str | None = "context",
        condition_mode: str = "crossattn",
        num_validation_timesteps: int | None = None,
        expected_error: float | None = None,
        preconditioning: VelocityPreconditioning | None = None,
        channel_weight_power: float = 0.0,
        condition_dropout: float = 0.0,
        noise_alone: bool = False,
    ) -> None:
        if prediction_type not in TRAINED_TO_PREDICT:
            raise ValueError(f"prediction_type is {prediction_type!r}; allowed: {', '.join(TRAINED_TO_PREDICT)}.")
        flow = isinstance(scheduler, RFlowScheduler)
        found = "rectified_flow" if flow else getattr(scheduler, "prediction_type", prediction_type)
        if found != prediction_type:
            raise ValueError(
                f"prediction_type is {prediction_type!r}, but {type(scheduler).__name__} is for {found!r}."
            )
        if num_validation_timesteps is not None and num_validation_timesteps < 1:
            raise ValueError(f"num_validation_timesteps must be at least 1, got {num_validation_timesteps}.")
        if condition_mode not in CONDITION_MODES:
            raise ValueError(f"condition_mode is {condition_mode!r}; allowed: {', '.join(CONDITION_MODES)}.")
        self.scheduler, self.prediction_type = scheduler, prediction_type
        self.moments = [f"{latent_key}_{part}" if latent_key else part for part in ("mean", "sigma")]
        if expected_error is not None and expected_error <= 0:
            raise ValueError(f"expected_error must be positive, or None to leave it out, got {expected_error}.")
        self.condition_mode, self.expected_error = condition_mode, expected_error
        if channel_weight_power < 0:
            raise ValueError(f"channel_weight_power must be 0 or more, got {channel_weight_power}.")
        if not 0 <= condition_dropout < 1:
            raise ValueError(f"condition_dropout must be 0 or more and below 1, got {condition_dropout}.")
        self.condition_dropout, self.noise_alone = condition_dropout, noise_alone
        self.preconditioning, self.channel_weight_power = preconditioning, channel_weight_power
        self.condition_key, self.num_validation_timesteps = condition_key, num_validation_timesteps

    def __call__(
        self,
        batchdata: Mapping[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, torch.Tensor], tuple, dict[str, Any]]:
        needed = [*self.moments, SAMPLE_SEED] + ([self.condition_key] if self.condition_key else [])
        if missing := [name for name in needed if name not in batchdata]:
            raise ValueError(
                f"the batch lacks {', '.join(missing)} (it has {', '.join(batchdata)}); train on CachedLatents within "
                "a SeededDataset whose transform adds the condition, or set condition_key to null."
            )
        mean, sigma = (plain_tensor(batchdata[name]).float() for name in self.moments)
        seeds = batchdata[SAMPLE_SEED]
        condition = plain_tensor(batchdata[self.condition_key]).float() if self.condition_key else None
        if condition is not None and self.condition_mode == "crossattn" and condition.ndim == 2:
            condition = condition[:, None]  # one token
        if self.num_validation_timesteps is None:
            timesteps = self._random_timesteps(mean, seeds)
            condition = None if condition is None else self._dropped(condition, seeds)
        else:
            repeats = self.num_validation_timesteps
            timesteps = self._spread_timesteps(repeats).repeat(len(mean))
            # A sample gets new noise at each of its time steps, so that the mean is less noisy.
            seeds = torch.tensor([derive_seed(seed, "repeat", k) for seed in seeds.tolist() for k in range(repeats)])
            mean, sigma = mean.repeat_interleave(repeats, 0), sigma.repeat_interleave(repeats, 0)
            condition = None if condition is None else condition.repeat_interleave(repeats, 0)

        # On the CPU, where random numbers are the same for every kind of device.
        latent = mean + sigma * per_sample_randn(seeds, "latent", mean.shape[1:])
        noise = per_sample_randn(seeds, "noise", mean.shape[1:])

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device=device, non_blocking=non_blocking)

        latent, noise, timesteps = move(latent), move(noise), move(timesteps)
        extra: dict[str, Any] = {"noise": noise, "timesteps": timesteps}
        if condition is not None:
            extra |= {"condition": move(condition), "mode": self.condition_mode}
        target = self.target(latent, noise, timesteps)
        if self.num_validation_timesteps is not None:
            return latent, target, (), extra
        return latent, (target, self.weight(move(sigma), timesteps)), (), extra

    def target(self, latent: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Target of the network, shaped like ``latent``."""
        if self.prediction_type == "epsilon":
            return noise
        if self.prediction_type == "v_prediction":
            return self.scheduler.get_velocity(latent, noise, timesteps)
        return latent - noise

    def weight(self, sigma: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Factor of the squared error; it broadcasts to the shape of ``sigma``.

        Args:
            sigma: standard deviation of the posterior (B, C, ...).
            timesteps: (B,).
        """
        unit = channels = sigma.new_ones((1,) * sigma.ndim)
        if self.preconditioning is not None:
            unit = self.preconditioning.coefficients(timesteps, sigma.ndim)[2]
            weights = channel_weights(self.preconditioning.std, self.channel_weight_power)
            channels = weights.reshape(1, -1, *(1,) * (sigma.ndim - 2))
        if self.expected_error is None:
            return channels / unit.square()
        return channels * inverse_variance_weights(self.variance(sigma, timesteps), self.expected_error, unit)

    def variance(self, sigma: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Variance of the target given the noisy latent and the posterior's mean.

        With the noisy latent ``a x + b noise``, the latent's posterior variance sigma^2 becomes
        ``sigma^2 b^2 / (a^2 sigma^2 + b^2)`` (product of two normal densities). The target is ``c x + d noise``;
        given the noisy latent, an error of x is multiplied by ``c - d a / b``.

        Args:
            sigma: standard deviation of the posterior (B, C, ...).
            timesteps: (B,).
        """
        one, none = torch.ones_like(sigma), torch.zeros_like(sigma)
        a, b = self.scheduler.add_noise(one, none, timesteps), self.scheduler.add_noise(none, one, timesteps)
        c, d = self.target(one, none, timesteps), self.target(none, one, timesteps)
        # At sigma = b = 0 rounding must not divide by zero: there is no noise, and the variance is 0.
        return (c * b - d * a).square() * sigma.square() / ((a * sigma).square() + b.square()).clamp(min=1e-12)

    def _dropped(self, condition: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        """The conditions, NaN in a share of the samples."""
        draws = torch.tensor([derive_seed(seed, "condition dropout") / 2**63 for seed in seeds.tolist()])
        shape = (-1, *(1,) * (condition.ndim - 1))
        return condition.masked_fill((draws < self.condition_dropout).view(shape), float("nan"))

    def _random_timesteps(self, mean: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        """Draw one time step per sample, (B,): uniform, or as the rectified flow scheduler draws it."""
        if self.noise_alone:
            return self._last_timesteps(len(mean))
        draws = []
        state = torch.get_rng_state()
        try:
            for i, seed in enumerate(seeds.tolist()):
                # The scheduler's sampler takes no generator, so seed the global one. Not by torch.manual_seed: that
                # would also seed every GPU.
                torch.default_generator.manual_seed(derive_seed(seed, "timestep"))
                if isinstance(self.scheduler, RFlowScheduler):
                    draws.append(self.scheduler.sample_timesteps(mean[i : i + 1]))
                else:
                    draws.append(torch.randint(0, self.scheduler.num_train_timesteps, (1,)))
        finally:
            torch.set_rng_state(state)
        return torch.cat(draws)

    def _spread_timesteps(self, number: int) -> torch.Tensor:
        """The centres of ``number`` equal parts of [0, num_train_timesteps)."""
        if self.noise_alone:
            return self._last_timesteps(number)
        centres = (torch.arange(number, dtype=torch.float64) + 0.5) / number * self.scheduler.num_train_timesteps
        return centres.float() if self._continuous else centres.long()

    def _last_timesteps(self, number: int) -> torch.Tensor:
        """The last time step, ``number`` times."""
        last = self.scheduler.num_train_timesteps
        return torch.full((number,), float(last)) if self._continuous else torch.full((number,), last - 1)

    @property
    def _continuous(self) -> bool:
        return isinstance(self.scheduler, RFlowScheduler) and not self.scheduler.use_discrete_timesteps
