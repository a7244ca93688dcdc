"""Sampling of images from noise, for all three bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from brain_bundles.inferers.denoise import denoise
from brain_bundles.inferers.denoiser import Denoiser
from brain_bundles.inferers.latent_decoder import LatentDecoder
from brain_bundles.inferers.padded_batches import in_padded_batches
from brain_bundles.inferers.tensor_modules import SamplingModule
from brain_bundles.schedulers.denoising_steps import DenoisingSteps
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.precision import autocast
from brain_bundles.utils.seeding import generator_for


class LatentSampler(Inferer):
    """Draw noise per sample, denoise it to a latent, decode the latent.

    A sample depends on its seed and its condition only, not on the batch, the device's random state or earlier calls:
    all its random numbers come from ``generator_for(seed, "noise")`` on the CPU.

    Args:
        steps: noise schedule, and the timesteps to take.
        denoiser: settings for the calls of the network.
        decoder: decodes latents to images.
        latent_shape: (C, D, H, W) of one latent, or (C, H, W); None with mode concat takes the condition's grid and the
            autoencoder's channels.
        batch_size: samples per pass. Smaller batches are padded and larger batches split, so that a sample has the same
            bytes in every batch. None takes batches as they come.
        progress: show a bar over the steps, on a terminal.
        correction: changes the clean latents (B, C, D, H, W) that each step predicts, given the conditions; None leaves
            them as the network predicts them.

    Raises:
        ValueError: for a value that is not allowed; the message says what is allowed.
    """

    def __init__(
        self,
        steps: DenoisingSteps,
        denoiser: Denoiser,
        decoder: LatentDecoder,
        *,
        latent_shape: Sequence[int] | None,
        batch_size: int | None = None,
        progress: bool = True,
        correction: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        if latent_shape is None and denoiser.mode != "concat":
            raise ValueError("latent_shape is needed with mode 'crossattn': tokens do not give the latent's shape.")
        if latent_shape is not None and (
            len(latent_shape) not in (3, 4) or any(int(size) < 1 for size in latent_shape)
        ):
            raise ValueError(f"latent_shape must be (C, D, H, W) or (C, H, W), all positive, got {list(latent_shape)}.")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}.")
        if latent_shape is not None:
            steps.begin(latent_shape[1:])  # fail now if the schedule refuses the number of steps for this size
        self.steps, self.denoiser, self.decoder = steps, denoiser, decoder
        self.latent_shape = None if latent_shape is None else tuple(int(size) for size in latent_shape)
        self.batch_size, self.progress, self.correction = batch_size, progress, correction

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *, seeds: Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """Sample one image per condition.

        Args:
            inputs: conditions, on the device to run on: tokens (B, T, K), or latents (B, C, D, H, W).
            network: called with x (B, C, D, H, W), timesteps (B,) and the condition, see :meth:`Denoiser.bind`.
            seeds: one integer per sample.

        Returns:
            images (B, 1, D, H, W), float32, clipped to [0, 1], on the device of ``inputs``.

        Raises:
            ValueError: when the number of seeds is not B, the shapes do not fit, or latents are not finite.
        """
        return self.decoder(self.sample_latents(inputs, network, seeds=seeds))

    def sample_latents(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *,
        seeds: Sequence[int] | torch.Tensor,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Normalised latents (B, C, D, H, W), float32; arguments and errors as for calling the sampler.

        ``start`` holds latents of the same shape to begin with, see ``denoising_start``; None begins with noise.
        """
        condition = plain_tensor(inputs)
        numbers = [int(seed) for seed in seeds]
        self.denoiser.check_condition(condition)
        if len(numbers) != len(condition):
            raise ValueError(f"got {len(numbers)} seeds for {len(condition)} samples; give one seed per sample.")

        def walk(condition: torch.Tensor, seeds: list[int], start: torch.Tensor | None) -> torch.Tensor:
            return self._walk(condition, network, seeds, start)

        latents = in_padded_batches(walk, condition, numbers, start, batch_size=self.batch_size)
        broken = [
            seed for seed, finite in zip(numbers, latents.isfinite().flatten(1).all(1), strict=True) if not finite
        ]
        if broken:
            raise ValueError(
                f"sampling gave latents with NaN or infinity for seeds {broken}; check the network's weights and the "
                "condition, and with precision fp16 try bf16 or fp32."
            )
        return latents

    def walk(
        self,
        noise: torch.Tensor,
        condition: torch.Tensor,
        network: Callable[..., torch.Tensor],
        schedule: tuple[Any, torch.Tensor],
        *,
        start: torch.Tensor | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> torch.Tensor:
        """Normalised latents from given noise, both (B, C, D, H, W): what a call does with the noise of its seeds.

        Args:
            noise: standard normal numbers.
            condition, network: as for calling the sampler.
            schedule: result of :meth:`DenoisingSteps.begin`, for this walk alone.
            start: see :meth:`sample_latents`.
            generators: one per sample, for schedulers that draw noise in every step.
        """
        scheduler, timesteps = schedule
        if start is None:
            latents = noise * getattr(scheduler, "init_noise_sigma", 1.0)
        else:
            latents = scheduler.add_noise(start.float(), noise, timesteps[:1].expand(len(noise)))
        predict = self.denoiser.bind(network, condition)
        # One context for all steps: leaving it drops the copies of the weights in low precision. The scheduler computes
        # on float32 tensors with operators that autocast does not change.
        correction = self.correction
        correct = None if correction is None else lambda clean: correction(clean, condition)
        with autocast(self.denoiser.precision, noise.device):
            following, clean = denoise(
                predict,
                latents,
                scheduler,
                timesteps,
                generators=generators,
                progress=self.progress,
                correct=correct,
            )
        return clean if self.steps.ends_early else following

    def to_module(self, network: nn.Module, spatial_size: Sequence[int] = ()) -> SamplingModule:
        """The whole as one module, for export; the grid is that of ``latent_shape``."""
        return SamplingModule(self, network)

    @torch.inference_mode()
    def _walk(
        self,
        condition: torch.Tensor,
        network: Callable[..., torch.Tensor],
        seeds: list[int],
        start: torch.Tensor | None,
    ) -> torch.Tensor:
        """Latents (b, C, D, H, W) of one batch."""
        shape = self.latent_shape or (self.decoder.autoencoder.latent_channels, *condition.shape[2:])
        schedule = self.steps.begin(shape[1:], from_noise=start is None)
        generators = [generator_for(seed, "noise") for seed in seeds]
        noise = torch.stack([torch.randn(shape, generator=one) for one in generators]).to(condition.device)
        return self.walk(noise, condition, network, schedule, start=start, generators=generators)
