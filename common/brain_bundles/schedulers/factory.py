"""Schedulers from the names in a config."""

from __future__ import annotations

from typing import Any

from monai.networks.schedulers import NoiseSchedules, Scheduler

from brain_bundles.schedulers.ddim import DDIMScheduler
from brain_bundles.schedulers.ddpm import DDPMScheduler
from brain_bundles.schedulers.dpm_solver import DPMSolverMultistepScheduler, RFlowDPMSolverScheduler
from brain_bundles.schedulers.rectified_flow import RFlowScheduler

SAMPLERS: dict[str, type[Scheduler]] = {
    "ddim": DDIMScheduler,
    "dpm_solver": DPMSolverMultistepScheduler,
    "ddpm": DDPMScheduler,
    "rflow": RFlowScheduler,
}
FLOW_SAMPLERS: dict[str, type[RFlowScheduler]] = {"rflow": RFlowScheduler, "dpm_solver": RFlowDPMSolverScheduler}
TRAINED_TO_PREDICT = ("epsilon", "v_prediction", "rectified_flow")


def make_scheduler(
    sampler: str,
    *,
    prediction_type: str,
    num_train_timesteps: int = 1000,
    schedule: str = "scaled_linear_beta",
    beta_start: float = 0.0015,
    beta_end: float = 0.0205,
    sample_method: str = "uniform",
    loc: float = 0.0,
    scale: float = 1.0,
    **options: Any,
) -> Scheduler:
    """Make the scheduler that fits the training of the network.

    Args:
        sampler: "ddim", "dpm_solver" or "ddpm"; for a rectified flow "rflow", steps of Euler, or "dpm_solver".
        prediction_type: "epsilon", "v_prediction" or "rectified_flow", as the network was trained.
        num_train_timesteps: steps of the training's noise schedule.
        schedule: name in :class:`monai.networks.schedulers.NoiseSchedules`; a rectified flow does not use it.
        beta_start, beta_end: ends of the schedule, by default of Pinaya et al. 2022; not used by "cosine" and flows.
        sample_method: how a training of rectified flow draws time steps, "uniform" or "logit-normal"; not used by
            others.
        loc, scale: mean and standard deviation of the logit of "logit-normal". Source: Esser et al. 2024,
            arXiv:2403.03206, section 3.1.
        options: more arguments of the scheduler's class, for example ``eta`` or ``timestep_spacing``.

    Raises:
        ValueError: for an unknown name, for betas that do not increase within (0, 1), or if the sampler does not fit
            the training.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {list(SAMPLERS)}, got {sampler!r}.")
    if prediction_type not in TRAINED_TO_PREDICT:
        raise ValueError(f"prediction_type must be one of {list(TRAINED_TO_PREDICT)}, got {prediction_type!r}.")
    flow = prediction_type == "rectified_flow"
    allowed = list(FLOW_SAMPLERS) if flow else [name for name in SAMPLERS if name != "rflow"]
    if sampler not in allowed:
        raise ValueError(
            f"sampler {sampler!r} cannot run a network trained with prediction_type {prediction_type!r}; use one of "
            f"{allowed}, or a network trained for it."
        )
    if flow:
        drawn = {"sample_method": sample_method, "loc": loc, "scale": scale}
        return FLOW_SAMPLERS[sampler](num_train_timesteps=num_train_timesteps, **drawn, **options)
    if schedule not in NoiseSchedules:
        raise ValueError(f"schedule must be one of {sorted(NoiseSchedules.names)}, got {schedule!r}.")
    if schedule != "cosine":
        if not 0 < beta_start <= beta_end < 1:
            raise ValueError(
                f"beta_start and beta_end must satisfy 0 < beta_start <= beta_end < 1, got {beta_start} and {beta_end}."
            )
        options = {"beta_start": beta_start, "beta_end": beta_end, **options}
    return SAMPLERS[sampler](
        num_train_timesteps=num_train_timesteps, schedule=schedule, prediction_type=prediction_type, **options
    )
