"""Noise schedulers with MONAI's interface, the factory that configs use, and the steps of a walk."""

from brain_bundles.schedulers.ddim import DDIMScheduler
from brain_bundles.schedulers.ddpm import DDPMScheduler
from brain_bundles.schedulers.denoising_steps import DenoisingSteps
from brain_bundles.schedulers.diffusers_adapter import check_scheduler
from brain_bundles.schedulers.discrete import DiscreteScheduler
from brain_bundles.schedulers.dpm_solver import DPMSolverMultistepScheduler, RFlowDPMSolverScheduler
from brain_bundles.schedulers.factory import make_scheduler
from brain_bundles.schedulers.presets import preset_steps
from brain_bundles.schedulers.rectified_flow import RFlowScheduler
from brain_bundles.schedulers.settings import noise_schedule, scheduler_settings
from brain_bundles.schedulers.timesteps import make_timesteps

__all__ = [
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "DenoisingSteps",
    "DiscreteScheduler",
    "RFlowDPMSolverScheduler",
    "RFlowScheduler",
    "check_scheduler",
    "make_scheduler",
    "make_timesteps",
    "noise_schedule",
    "preset_steps",
    "scheduler_settings",
]
