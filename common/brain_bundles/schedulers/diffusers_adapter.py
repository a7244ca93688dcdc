"""Schedulers of diffusers for our walks, and the refusal of schedulers that cannot run them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks import schedulers as monai_schedulers

from brain_bundles.schedulers.discrete import PREDICTION_TYPES

# Those that tests hold to the end point of a known flow. Others need a network of their own kind (flow matching,
# consistency, EDM, images of discrete codes), or an argument that a walk does not give.
SUPPORTED = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "UniPCMultistepScheduler",
)


def check_scheduler(
    scheduler: Any, num_inference_steps: int, *, prediction_type: str | None = None, regression: bool = False
) -> None:
    """Check that a walk of ``num_inference_steps`` can be taken with a scheduler of MONAI or diffusers.

    Args:
        scheduler: as a config gives it.
        num_inference_steps: of the walk.
        prediction_type: what the network was trained to predict, see :func:`make_scheduler`; None does not compare.
        regression: the network was trained where there is noise alone, so it can take one step from there.

    Raises:
        ValueError: with the name of the class and the reason, if not; for several steps of a regression.
    """
    if regression and num_inference_steps != 1:
        raise ValueError(
            f"num_inference_steps is {num_inference_steps}, but the weights are a regression, which takes one step."
        )
    reason = _reason_against(scheduler, num_inference_steps)
    found = _prediction_type(scheduler) if reason is None else None
    if prediction_type is not None and found is not None and found != prediction_type:
        reason = f"it expects a network that predicts {found!r}, this one predicts {prediction_type!r}"
    if reason is not None:
        kind = type(scheduler)
        raise ValueError(f"scheduler {kind.__module__.split('.')[0]}'s {kind.__name__} cannot run here: {reason}.")


def is_of_diffusers(scheduler: Any) -> bool:
    """Return True for a scheduler of diffusers, and for one that is derived from it."""
    return _diffusers_name(scheduler) is not None


class DiffusersScheduler:
    """A scheduler of diffusers with what a walk needs of MONAI's, for one walk.

    Latents are in the scheduler's own unit, which is not that of the network for Euler and Heun:
    :meth:`model_inputs` brings them there.

    Args:
        scheduler: one that :func:`check_scheduler` lets pass; changed by the walk.
    """

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.num_train_timesteps = int(scheduler.config.num_train_timesteps)
        self.prediction_type = str(scheduler.config.prediction_type)
        self.alphas_cumprod: torch.Tensor = scheduler.alphas_cumprod
        self._draws_noise = "generator" in inspect.signature(scheduler.step).parameters

    @property
    def timesteps(self) -> torch.Tensor:
        """(T,), from noise to image; not all whole numbers, and twice in a row where a step asks twice (Heun)."""
        return self.scheduler.timesteps

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the latents from which a walk begins."""
        return float(self.scheduler.init_noise_sigma)

    def set_timesteps(self, num_inference_steps: int) -> None:
        """Choose the timesteps.

        Raises:
            ValueError: unless 1 <= num_inference_steps <= num_train_timesteps.
        """
        if not 1 <= num_inference_steps <= self.num_train_timesteps:
            raise ValueError(
                f"num_inference_steps must be between 1 and {self.num_train_timesteps}, got {num_inference_steps}."
            )
        self.scheduler.set_timesteps(num_inference_steps)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Noisy latents (B, ...), in the scheduler's unit, of clean ones (B, ...) at timesteps (B,)."""
        return self.scheduler.add_noise(original_samples, noise, timesteps)

    def model_inputs(self, latents: torch.Tensor, timestep: torch.Tensor) -> tuple[torch.Tensor, int]:
        """The network's input for latents (B, ...), and its timestep: the nearest of those that it was trained on."""
        return self.scheduler.scale_model_input(latents, timestep), round(float(timestep))

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents at the next noise level and the predicted clean ones, both (B, ...); arguments as in diffusers.

        ``generators`` has one entry per sample, for schedulers that draw noise.
        """
        clean = self.clean(model_output, timestep, sample)  # first: a step moves the position in the schedule
        options = {"generator": list(generators)} if generators is not None and self._draws_noise else {}
        result = self.scheduler.step(model_output, timestep, sample, **options)
        known = getattr(result, "pred_original_sample", None)
        return result.prev_sample, clean if known is None else known

    def clean(self, output: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """The clean latents that the network's output stands for; diffusers' DPM-Solver and UniPC do not give them."""
        inputs, nearest = self.model_inputs(sample, timestep)
        if hasattr(self.scheduler, "sigmas"):  # of this very step, also where it lies between two trained timesteps
            index = self.scheduler.step_index
            index = self.scheduler.index_for_timestep(timestep) if index is None else index
            a = float(1 + self.scheduler.sigmas[index].double() ** 2) ** -0.5
        else:
            a = float(self.alphas_cumprod[nearest]) ** 0.5
        b = (1 - a * a) ** 0.5
        if self.prediction_type == "epsilon":
            return (inputs - b * output) / a
        return output if self.prediction_type == "sample" else a * inputs - b * output


def _diffusers_name(scheduler: Any) -> str | None:
    """Name of the first class of diffusers among the scheduler's own and its bases."""
    return next((kind.__name__ for kind in type(scheduler).__mro__ if kind.__module__.startswith("diffusers.")), None)


def _prediction_type(scheduler: Any) -> str | None:
    """Prediction type that the scheduler expects of the network; None if it does not say."""
    if isinstance(scheduler, monai_schedulers.RFlowScheduler):
        return "rectified_flow"
    return getattr(scheduler.config if is_of_diffusers(scheduler) else scheduler, "prediction_type", None)


def _reason_against(scheduler: Any, num_inference_steps: int) -> str | None:
    name = _diffusers_name(scheduler)
    if name is not None:
        return _reason_against_diffusers(name, scheduler.config)
    if not isinstance(scheduler, monai_schedulers.Scheduler):
        return "it is neither a scheduler of MONAI nor one of diffusers"
    if not type(scheduler).__module__.startswith("monai."):
        return None  # ours, and others that were written for MONAI's interface
    if isinstance(scheduler, monai_schedulers.PNDMScheduler):
        return "it predicts no clean sample; use brain_bundles.schedulers.DPMSolverMultistepScheduler"
    if getattr(scheduler, "clip_sample", False):
        return "clip_sample cuts latents, which have no bounds; set 'clip_sample': False"
    total = scheduler.num_train_timesteps
    if isinstance(scheduler, monai_schedulers.DDPMScheduler) and num_inference_steps != total:
        # Each step removes the noise of one trained step.
        return f"it takes exactly the {total} steps of the training, got num_inference_steps {num_inference_steps}"
    return None


def _reason_against_diffusers(name: str, config: Any) -> str | None:
    if name not in SUPPORTED:
        return f"of diffusers these are supported: {', '.join(SUPPORTED)}"
    if config.prediction_type not in PREDICTION_TYPES:
        return f"its prediction_type {config.prediction_type!r} is none of {', '.join(PREDICTION_TYPES)}"
    for key in ("clip_sample", "thresholding"):
        if config.get(key):
            return f"{key} cuts latents, which have no bounds; set '{key}': False"
    if config.get("use_flow_sigmas"):
        return "use_flow_sigmas is for networks trained by flow matching; use brain_bundles.schedulers.RFlowScheduler"
    if str(config.get("variance_type")).startswith("learned"):
        return f"variance_type {config.variance_type!r} needs a network that predicts the variance, too"
    return None
