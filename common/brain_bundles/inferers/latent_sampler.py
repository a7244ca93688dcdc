"""Noise to images: the one sampler of all three bundles."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.networks.schedulers import RFlowScheduler, Scheduler
from torch import nn
from tqdm import tqdm

from brain_bundles.networks.preconditioning import VelocityPreconditioning
from brain_bundles.utils.precision import PRECISIONS, autocast, resolve_precision
from brain_bundles.utils.seeding import generator_for

CONDITION_MODES = ("crossattn", "concat")


class LatentSampler(Inferer):
    """Draw noise per sample, walk it to a latent with the scheduler, decode it.

    A sample depends on its seed and its condition only, not on the batch, the device's random state or what ran before:
    all its random numbers come from ``generator_for(seed, "noise")`` on the CPU. Networks run in ``precision``; the
    scheduler's arithmetic stays in float32. Samples are decoded one by one.

    Args:
        scheduler: any MONAI scheduler, for example of :func:`brain_bundles.schedulers.make_scheduler`.
        autoencoder: decodes normalised latents with ``decode_stage_2_outputs``.
        latent_shape: (C, D, H, W) of one latent, or (C, H, W); None with mode concat takes the condition's grid and the
            autoencoder's channels.
        num_inference_steps: network evaluations per sample.
        precision: "fp32", "bf16", "fp16" or "auto", see :func:`resolve_precision`.
        channels_last: run the networks with channels as the fastest axis; None chooses what measures fastest: True on
            CUDA and in bf16, where convolutions are 1.1 to 2.3 times faster, False for fp32 on the CPU.
        decode_slab_size: decode this many slices at a time, a third of the memory; None decodes whole volumes.
        mode: how the network takes its condition, as MONAI's DiffusionInferer names it: "crossattn" for tokens
            (B, T, K), "concat" for a latent (B, C, D, H, W) beside the noisy one.
        start_fraction: of the noise schedule, where a walk from given latents begins: they are noised to the first
            timestep that is not above this part, and the steps before it are left out (Meng et al. 2021,
            arXiv:2108.01073). Walks from noise alone take all steps.
        end_fraction: of the noise schedule, where a walk ends: at the last timestep that is not below this part it
            takes the clean latent that the network predicts, the mean of what is possible there (Jolicoeur-Martineau
            et al. 2021, arXiv:2009.05475). The steps that would draw the finest detail, much of it grain, are left
            out. 0 takes all steps.
        temperature: below 1 draws from the sharper density p^(1/temperature): nearer to what is typical, and with less
            of the grain that a network leaves where it does not know better, at the price of variety (Ingraham et al.
            2023, doi:10.1038/s41586-023-06728-8). Exact for latents of normal density, whose variance per channel is
            that of the network's preconditioning, or 1. A temperature of 1 samples what was learned.
        batch_size: samples per pass. A smaller batch is padded to it, a larger one split, so that a sample has the same
            bytes whichever batch it falls in. None takes batches as they come.
        progress: show a bar over the steps, on a terminal.

    Raises:
        ValueError: for a value that is not allowed; the message says what is.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        autoencoder: nn.Module,
        *,
        latent_shape: Sequence[int] | None,
        num_inference_steps: int = 15,
        mode: str = "crossattn",
        precision: str = "auto",
        channels_last: bool | None = None,
        decode_slab_size: int | None = None,
        start_fraction: float = 1.0,
        end_fraction: float = 0.0,
        temperature: float = 1.0,
        batch_size: int | None = None,
        progress: bool = True,
    ) -> None:
        if mode not in CONDITION_MODES:
            raise ValueError(f"mode is {mode!r}; allowed: {', '.join(CONDITION_MODES)}.")
        if latent_shape is None and mode != "concat":
            raise ValueError("latent_shape is needed with mode 'crossattn': tokens have no shape of a latent.")
        if latent_shape is not None and (
            len(latent_shape) not in (3, 4) or any(int(size) < 1 for size in latent_shape)
        ):
            raise ValueError(f"latent_shape must be (C, D, H, W) or (C, H, W), all positive, got {list(latent_shape)}.")
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}.")
        if decode_slab_size is not None and not _decodes_in_slabs(autoencoder):
            raise ValueError(f"decode_slab_size needs a LatentAutoencoderKL, got a {type(autoencoder).__name__}.")
        if decode_slab_size is not None and decode_slab_size < 1:
            raise ValueError(f"decode_slab_size must be a positive number of slices, got {decode_slab_size}.")
        if not 0 < start_fraction <= 1:
            raise ValueError(f"start_fraction must be above 0 and at most 1, got {start_fraction}.")
        if not 0 <= end_fraction < start_fraction:
            raise ValueError(f"end_fraction must be at least 0 and below start_fraction, got {end_fraction}.")
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}.")
        self.scheduler = cast(Any, scheduler)  # MONAI's base class does not declare step and set_timesteps
        self.autoencoder: Any = autoencoder
        self.latent_shape = None if latent_shape is None else tuple(int(size) for size in latent_shape)
        self.mode = mode
        self.num_inference_steps = num_inference_steps
        self.precision, self.channels_last = precision, channels_last
        self.decode_slab_size, self.batch_size, self.progress = decode_slab_size, batch_size, progress
        self.start_fraction, self.end_fraction, self.temperature = start_fraction, end_fraction, temperature
        # Only schedulers whose step takes a generator draw noise; these hold no state from step to step.
        self._draws_noise = "generator" in inspect.signature(self.scheduler.step).parameters
        self._set_timesteps(self.latent_shape or ())  # a number of steps that the scheduler refuses is refused now

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *, seeds: Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """Images for conditions.

        Args:
            inputs: condition of the network on the device to run on: tokens (B, T, K), or latents (B, C, D, H, W).
            network: called as ``network(x, timesteps=t, context=tokens)`` with x (B, C, D, H, W) and t (B,); with mode
                concat as ``network(x, timesteps=t)`` with the noisy and the given latent in x.
            seeds: one integer per sample.

        Returns:
            images (B, 1, D, H, W), float32, clipped to [0, 1], on the device of ``inputs``.

        Raises:
            ValueError: when the number of seeds is not B, the shapes do not fit, or latents are not finite.
        """
        return self.decode(self.sample_latents(inputs, network, seeds=seeds))

    def sample_latents(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *,
        seeds: Sequence[int] | torch.Tensor,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Normalised latents (B, C, D, H, W), float32; arguments and errors as for calling the sampler.

        ``start`` are latents of that shape from which to begin, see ``start_fraction``; None begins with noise.
        """
        context = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        numbers = [int(seed) for seed in seeds]
        dimensions, form = ((3,), "(B, T, K)") if self.mode == "crossattn" else ((4, 5), "(B, C, [D,] H, W)")
        if context.ndim not in dimensions or len(context) == 0:
            raise ValueError(f"the condition must have shape {form} with B > 0, got {tuple(context.shape)}.")
        if len(numbers) != len(context):
            raise ValueError(f"got {len(numbers)} seeds for {len(context)} samples; give one seed per sample.")
        resolve_precision(self.precision, context.device)  # refuses what the device cannot do
        self._arrange(network, context.device)
        size = self.batch_size or len(numbers)
        with torch.inference_mode():
            parts = [
                self._walk(
                    context[first : first + size],
                    network,
                    numbers[first : first + size],
                    None if start is None else start[first : first + size],
                )
                for first in range(0, len(numbers), size)
            ]
        latents = torch.cat(parts)
        broken = [
            seed for seed, finite in zip(numbers, latents.isfinite().flatten(1).all(1), strict=True) if not finite
        ]
        if broken:
            raise ValueError(
                f"sampling gave latents with NaN or infinity for seeds {broken}; check the network's weights and the "
                "condition, and with precision fp16 try bf16 or fp32."
            )
        return latents

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, D, H, W) in [0, 1], float32, of normalised latents (B, C, D, H, W)."""
        self._arrange(self.autoencoder, latents.device)
        options: dict[str, Any] = {} if self.decode_slab_size is None else {"slab_size": self.decode_slab_size}
        images = []
        with torch.inference_mode(), autocast(self.precision, latents.device):
            for latent in latents.split(1):
                image = self.autoencoder.decode_stage_2_outputs(self._format(latent), **options)
                images.append(image.float().clamp_(0.0, 1.0).contiguous())
        return torch.cat(images)

    def _walk(
        self,
        context: torch.Tensor,
        network: Callable[..., torch.Tensor],
        seeds: list[int],
        start: torch.Tensor | None,
    ) -> torch.Tensor:
        """Latents (b, C, D, H, W) of one batch, which is padded with copies of its last sample."""
        missing = max(0, (self.batch_size or 0) - len(seeds))
        context = torch.cat([context, *[context[-1:]] * missing])
        generators = [generator_for(seed, "noise") for seed in [*seeds, *seeds[-1:] * missing]]
        shape = self.latent_shape or (self.autoencoder.latent_channels, *context.shape[2:])
        x = torch.stack([torch.randn(shape, generator=one) for one in generators]).to(context.device)
        self._set_timesteps(shape)
        timesteps = self.scheduler.timesteps
        if start is not None:
            low = timesteps <= self.start_fraction * self.scheduler.num_train_timesteps
            timesteps = timesteps[low] if bool(low.any()) else timesteps[-1:]
            start = torch.cat([start, *[start[-1:]] * missing])
            x = self.scheduler.add_noise(start.float(), x, timesteps[:1].expand(len(x)))
        high = timesteps >= self.end_fraction * self.scheduler.num_train_timesteps
        timesteps = timesteps[high] if bool(high.any()) else timesteps[:1]
        variance = _channel_variance(network, x)
        bar = tqdm(timesteps, desc="sampling", leave=False, disable=None if self.progress else True)
        # One context for all steps: leaving it drops the copies of the weights in low precision. The scheduler's
        # arithmetic is on float32 tensors by operators that autocast leaves alone.
        with autocast(self.precision, x.device):
            for timestep in bar:
                times = torch.full((len(x),), timestep.item(), device=x.device)
                if self.mode == "concat":
                    output = network(self._format(torch.cat([x, context], dim=1)), timesteps=times)
                else:
                    output = network(self._format(x), timesteps=times, context=context)
                following, clean = self._step(
                    self._temper(output.float(), timestep, x, variance), timestep, x, generators
                )
                x = clean if self.end_fraction > 0 and timestep == timesteps[-1] else following
        return x[: len(seeds)].contiguous()

    def _temper(
        self, output: torch.Tensor, timestep: torch.Tensor, x: torch.Tensor, variance: torch.Tensor | float
    ) -> torch.Tensor:
        """The network's output, with the noise in ``x`` that it implies multiplied so that more of it is taken away.

        The factor in ``x = a x_0 + b noise`` is the ratio of the noise to be expected if the latents' ``variance`` were
        multiplied by the temperature, and as it is: exact for normal densities.
        """
        if self.temperature == 1:
            return output
        if isinstance(self.scheduler, RFlowScheduler):
            b = float(timestep) / self.scheduler.num_train_timesteps
            a = 1 - b
        else:
            signal = float(self.scheduler.alphas_cumprod[int(timestep)])
            a, b = signal**0.5, (1 - signal) ** 0.5
        factor = (a**2 * variance + b**2) / (a**2 * variance * self.temperature + b**2)
        if a == 0 or self.scheduler.prediction_type == "epsilon":  # with a = 0 the factor is 1
            return factor * output
        # Solved for the output: noise is b x + a v for a velocity v, x - a v for a flow's x_0 - noise, and
        # (x - a x_0) / b for x_0 itself.
        rest = b if self.scheduler.prediction_type == "v_prediction" else -1
        return factor * output + (factor - 1) * rest / a * x

    def _step(
        self, output: torch.Tensor, timestep: torch.Tensor, x: torch.Tensor, generators: list[torch.Generator]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sample at the next noise level, and the predicted clean one."""
        if not self._draws_noise:
            following, clean = self.scheduler.step(output, timestep, x)
            return following, clean
        parts = [
            self.scheduler.step(one, timestep, noisy, generator=random)
            for one, noisy, random in zip(output.split(1), x.split(1), generators, strict=True)
        ]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

    def _set_timesteps(self, shape: tuple[int, ...]) -> None:
        # Never on a device: the scheduler's tables live on the CPU, and so do the indices into them.
        if isinstance(self.scheduler, RFlowScheduler) and self.scheduler.use_timestep_transform:
            self.scheduler.set_timesteps(self.num_inference_steps, input_img_size_numel=torch.Size(shape[1:]).numel())
        else:
            self.scheduler.set_timesteps(self.num_inference_steps)

    def _is_channels_last(self, device: torch.device) -> bool:
        if self.channels_last is not None:
            return self.channels_last
        return device.type == "cuda" or resolve_precision(self.precision, device) == "bf16"

    def _format(self, x: torch.Tensor) -> torch.Tensor:
        if not self._is_channels_last(x.device):
            return x.contiguous()
        return x.contiguous(memory_format=torch.channels_last_3d if x.ndim == 5 else torch.channels_last)

    def _arrange(self, network: Callable[..., torch.Tensor], device: torch.device) -> None:
        """Put the weights of convolutions into the memory format, in place; their values stay."""
        if not isinstance(network, nn.Module) or not self._is_channels_last(device):
            return
        with torch.inference_mode(False), torch.no_grad():  # inference tensors could not be trained on afterwards
            for parameter in network.parameters():
                if parameter.ndim in (4, 5):
                    parameter.data = self._format(parameter.data)


def _decodes_in_slabs(autoencoder: Any) -> bool:
    return "slab_size" in inspect.signature(autoencoder.decode_stage_2_outputs).parameters


def _channel_variance(network: object, x: torch.Tensor) -> torch.Tensor | float:
    """Variance of every channel of the latents that ``network`` was trained on, shaped for ``x``; 1 if unknown."""
    preconditioning = getattr(network, "preconditioning", None)
    if not isinstance(preconditioning, VelocityPreconditioning):
        return 1.0
    return preconditioning.std.square().to(x.device).reshape(-1, *(1,) * (x.ndim - 2))
