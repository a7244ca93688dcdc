"""DPM-Solver++ along a rectified flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.schedulers import make_scheduler
from brain_bundles.schedulers.second_order_walk import NoiseLevel


def flow(sampler: str, steps: int):
    scheduler = make_scheduler(sampler, prediction_type="rectified_flow")
    scheduler.set_timesteps(steps)
    return scheduler


def velocity(x: torch.Tensor, share: float, s: float) -> torch.Tensor:
    """E[x_0 - noise | x] for data N(0, s^2)."""
    return ((1 - share) * s**2 - share) / ((1 - share) ** 2 * s**2 + share**2) * x


def sample(scheduler, s: float, x: torch.Tensor) -> torch.Tensor:
    for timestep in scheduler.timesteps:
        x, _ = scheduler.step(velocity(x, float(timestep) / 1000, s), timestep, x)
    return x


@pytest.mark.parametrize(
    ("sampler", "s", "kept"),
    [("rflow", 1.0, 0.92), ("rflow", 0.2, 0.84), ("dpm_solver", 1.0, 1.00), ("dpm_solver", 0.2, 1.02)],
)
def test_variance_of_gaussians_that_30_steps_keep(noise, sampler, s, kept):
    result = sample(flow(sampler, 30), s, noise)  # exactly s * noise
    torch.testing.assert_close((result / noise).square(), torch.full_like(noise, kept * s**2), rtol=0.005, atol=0)


def test_the_error_is_of_second_order(noise):
    def error(steps: int) -> float:
        # Up to the step to the clean sample, which is of first order.
        scheduler = flow("dpm_solver", steps)
        x = noise
        for timestep in scheduler.timesteps[: steps * 4 // 5]:
            x, _ = scheduler.step(velocity(x, float(timestep) / 1000, 0.5), timestep, x)
        exact = (0.8**2 * 0.25 + 0.2**2) ** 0.5 * noise
        return float((x / exact - 1).abs().max())

    assert 3.3 < error(50) / error(100) < 5.0


@pytest.mark.parametrize("steps", [4, 20])
def test_equals_diffusers_on_the_same_noise_levels(noise, steps):
    diffusers = pytest.importorskip("diffusers")
    ours = flow("dpm_solver", steps)
    theirs = diffusers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", algorithm_type="dpmsolver++", solver_order=2
    )
    theirs.set_timesteps(steps)
    theirs.timesteps = ours.timesteps
    theirs.sigmas = torch.tensor(np.append(ours.timesteps.numpy() / 1000, 0.0))
    expected = noise
    for timestep in ours.timesteps:
        output = -velocity(expected, float(timestep) / 1000, 0.5)  # diffusers predicts noise - image
        expected = theirs.step(output, timestep, expected).prev_sample
    torch.testing.assert_close(sample(ours, 0.5, noise), expected, rtol=2e-5, atol=2e-5)


def test_a_step_to_another_timestep_is_a_step_of_euler(noise):
    expected = flow("rflow", 10).step(0.5 * noise, 800, noise, next_timestep=250)
    for ours, theirs in zip(
        flow("dpm_solver", 10).step(0.5 * noise, 800, noise, next_timestep=250), expected, strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_ends_of_the_levels_are_infinitely_far_away():
    assert NoiseLevel(1.0, 0.0).log_ratio == float("inf")
    assert NoiseLevel(0.0, 1.0).log_ratio == -float("inf")
    assert NoiseLevel(0.5, 0.5).log_ratio == NoiseLevel.at(0.5).log_ratio == 0.0
    assert NoiseLevel.at(1.0).log_ratio == float("inf")
