from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import DDIMScheduler, RFlowDPMSolverScheduler, RFlowScheduler, make_scheduler


def test_published_schedule_is_the_default():
    scheduler = make_scheduler("ddim", prediction_type="epsilon")
    assert isinstance(scheduler, DDIMScheduler)
    expected = torch.linspace(0.0015**0.5, 0.0205**0.5, 1000) ** 2
    torch.testing.assert_close(scheduler.betas, expected, rtol=1e-6, atol=0)


def test_options_reach_the_scheduler():
    assert make_scheduler("ddim", prediction_type="v_prediction", eta=0.5).eta == 0.5
    assert make_scheduler("dpm_solver", prediction_type="epsilon", timestep_spacing="linspace").timesteps[0] == 999
    rflow = make_scheduler("rflow", prediction_type="rectified_flow", num_train_timesteps=10)
    assert isinstance(rflow, RFlowScheduler)
    assert rflow.num_train_timesteps == 10
    assert isinstance(make_scheduler("dpm_solver", prediction_type="rectified_flow"), RFlowDPMSolverScheduler)


@pytest.mark.parametrize("schedule", ["linear_beta", "scaled_linear_beta", "sigmoid_beta", "cosine"])
def test_every_schedule_of_monai_builds(schedule):
    for sampler in ("ddim", "dpm_solver", "ddpm"):
        assert make_scheduler(sampler, prediction_type="epsilon", schedule=schedule).alphas_cumprod[-1] < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": "euler"}, r"sampler must be one of \['ddim', 'dpm_solver', 'ddpm', 'rflow'\], got 'euler'"),
        ({"prediction_type": "eps"}, r"prediction_type must be one of \['epsilon', .*\], got 'eps'"),
        (
            {"sampler": "rflow"},
            r"'rflow' cannot run a network trained with prediction_type 'epsilon'; use one of \['ddim'",
        ),
        (
            {"prediction_type": "rectified_flow"},
            r"'ddim' cannot run .* 'rectified_flow'; use one of \['rflow', 'dpm_solver'\]",
        ),
        ({"schedule": "linear"}, r"schedule must be one of \['cosine', .*\], got 'linear'"),
        ({"beta_start": 0.03}, r"0 < beta_start <= beta_end < 1, got 0.03 and 0.0205"),
    ],
)
def test_bad_words_are_refused_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_scheduler(**{"sampler": "ddim", "prediction_type": "epsilon", **arguments})
