from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import DDIMScheduler, DPMSolverMultistepScheduler

PAPER = {"schedule": "scaled_linear_beta", "beta_start": 0.0015, "beta_end": 0.0205}


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_second_order_on_the_exact_gaussian_flow(noise, gaussian, walk, prediction_type):
    """Up to the last timestep x / std(x_t) is constant; the last step gives the network's own prediction."""
    scheduler = DPMSolverMultistepScheduler(prediction_type=prediction_type, **PAPER)

    def error(steps: int, s: float = 1.0) -> float:
        scheduler.set_timesteps(steps)
        start, end = (float(scheduler.alphas_cumprod[scheduler.timesteps[i]]) for i in (0, -1))
        flow = noise * ((end * s**2 + 1 - end) / (start * s**2 + 1 - start)) ** 0.5
        exact = end**0.5 * s**2 / (end * s**2 + 1 - end) * flow
        return float((walk(scheduler, gaussian(s, prediction_type), noise) / exact - 1).abs().max())

    assert error(20) < 0.015  # 0.0099 measured
    assert 3.3 < error(20) / error(40) < 5.0  # halving the step divides the error by 3.99


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("steps", [4, 10, 20, 50])
def test_equals_diffusers(noise, gaussian, walk, steps, prediction_type):
    diffusers = pytest.importorskip("diffusers")
    ours = DPMSolverMultistepScheduler(prediction_type=prediction_type, timestep_spacing="trailing", **PAPER)
    theirs = diffusers.DPMSolverMultistepScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.0015,
        beta_end=0.0205,
        prediction_type=prediction_type,
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
    )
    ours.set_timesteps(steps)
    theirs.set_timesteps(steps)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    network = gaussian(0.5, prediction_type)
    expected = noise
    for timestep in theirs.timesteps:
        output = network(expected, float(theirs.alphas_cumprod[timestep]))
        expected = theirs.step(output, timestep, expected).prev_sample
    # diffusers computes coefficients in float32
    torch.testing.assert_close(walk(ours, network, noise), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("s", [0.2, 0.5, 1.0])
def test_15_steps_are_closer_to_1000_ddim_steps_than_50_ddim_steps(noise, gaussian, walk, s):
    expected = walk(DDIMScheduler(**PAPER), gaussian(s), noise)

    def error(scheduler, steps: int) -> float:
        scheduler.set_timesteps(steps)
        return float((walk(scheduler, gaussian(s), noise) - expected).pow(2).mean().sqrt())

    assert error(DPMSolverMultistepScheduler(**PAPER), 15) < 0.6 * error(DDIMScheduler(**PAPER), 50)


def test_first_step_equals_ddim(noise):
    """Without a past the solver is DDIM (Lu et al. 2022, section 3)."""
    solver = DPMSolverMultistepScheduler(timestep_spacing="trailing", **PAPER)
    ddim = DDIMScheduler(**PAPER)
    for scheduler in (solver, ddim):
        scheduler.set_timesteps(5)
    torch.testing.assert_close(solver.step(0.3 * noise, 999, noise)[0], ddim.step(0.3 * noise, 999, noise)[0])


def test_the_past_is_used_only_when_it_is_the_step_before(noise):
    solver = DPMSolverMultistepScheduler(**PAPER)
    solver.set_timesteps(6)
    fresh = solver.step(0.3 * noise, solver.timesteps[3], noise)[0]  # starts in the middle: first order
    solver.step(0.9 * noise, solver.timesteps[0], noise)
    torch.testing.assert_close(solver.step(0.3 * noise, solver.timesteps[3], noise)[0], fresh, rtol=0, atol=0)
    solver.step(0.9 * noise, solver.timesteps[2], noise)
    assert not torch.allclose(solver.step(0.3 * noise, solver.timesteps[3], noise)[0], fresh)
    solver.set_timesteps(6)
    torch.testing.assert_close(solver.step(0.3 * noise, solver.timesteps[3], noise)[0], fresh, rtol=0, atol=0)


def test_nothing_is_held_after_the_last_step(noise, gaussian, walk):
    solver = DPMSolverMultistepScheduler(**PAPER)
    solver.set_timesteps(4)
    walk(solver, gaussian(1.0), noise)
    assert solver._walk._last is None


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_few_steps_stay_bounded(noise, gaussian, walk, steps):
    solver = DPMSolverMultistepScheduler(**PAPER)
    solver.set_timesteps(steps)
    assert walk(solver, gaussian(1.0), noise).abs().max() <= noise.abs().max()
