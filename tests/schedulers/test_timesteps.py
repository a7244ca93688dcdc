from __future__ import annotations

import itertools

import pytest
from brain_bundles.schedulers import DDIMScheduler, make_timesteps
from brain_bundles.schedulers.second_order_walk import NoiseLevel
from brain_bundles.schedulers.timesteps import TIMESTEP_SPACINGS

ALPHA_BAR = (
    DDIMScheduler(schedule="scaled_linear_beta", beta_start=0.0015, beta_end=0.0205).alphas_cumprod.double().tolist()
)


@pytest.mark.parametrize("spacing", TIMESTEP_SPACINGS)
def test_all_step_numbers_give_that_many_decreasing_timesteps(spacing):
    for steps in [*range(1, 120), 333, 500, 501, 999, 1000]:
        timesteps = make_timesteps(steps, ALPHA_BAR, spacing)
        assert len(timesteps) == steps
        assert all(high > low for high, low in itertools.pairwise(timesteps))
        assert timesteps[-1] >= 0
        assert timesteps[0] <= 999
    assert make_timesteps(1000, ALPHA_BAR, spacing) == list(range(999, -1, -1))


def test_known_timesteps():
    assert make_timesteps(5, ALPHA_BAR, "trailing") == [999, 799, 599, 399, 199]
    assert make_timesteps(5, ALPHA_BAR, "leading") == [800, 600, 400, 200, 0]
    assert make_timesteps(4, ALPHA_BAR, "linspace") == [999, 666, 333, 0]


def test_logsnr_steps_are_equal_in_the_solvers_clock():
    clock = [NoiseLevel.at(ALPHA_BAR[timestep]).log_ratio for timestep in make_timesteps(10, ALPHA_BAR, "logsnr")]
    steps = [late - early for early, late in itertools.pairwise(clock)]
    mean = (clock[-1] - clock[0]) / 9
    assert all(abs(step / mean - 1) < 0.2 for step in steps)  # whole timesteps: up to half of 0.34 between t = 0 and 1


def test_bad_input():
    with pytest.raises(ValueError, match=r"num_inference_steps must be between 1 and 1000.*got 0"):
        make_timesteps(0, ALPHA_BAR, "trailing")
    with pytest.raises(ValueError, match=r"timestep_spacing must be one of \['trailing'.*got 'karras'"):
        make_timesteps(5, ALPHA_BAR, "karras")
