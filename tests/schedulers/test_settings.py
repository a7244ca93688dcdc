"""The record of a scheduler."""

from __future__ import annotations

import json

import pytest
from brain_bundles.schedulers import DenoisingSteps, make_scheduler, scheduler_settings
from monai.networks import schedulers as monai_schedulers


def test_class_settings_and_noise_schedule_of_ours():
    options = {"prediction_type": "v_prediction", "beta_start": 0.0005, "beta_end": 0.04}
    scheduler = make_scheduler("ddim", eta=0.5, timestep_spacing="logsnr", **options)
    found = scheduler_settings(scheduler)
    assert json.loads(json.dumps(found)) == {
        "class": "brain_bundles.schedulers.ddim.DDIMScheduler",
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction",
        "timestep_spacing": "logsnr",
        "clip_sample": False,
        "clip_sample_values": [-1.0, 1.0],
        "eta": 0.5,
        "betas": [0.0005, pytest.approx(0.0123805, rel=1e-4), 0.04],
    }
    DenoisingSteps(scheduler, 7).begin()[0].set_timesteps(3)
    scheduler.set_timesteps(5)
    assert scheduler_settings(scheduler) == found  # a walk changes nothing
    linear = make_scheduler("ddim", schedule="linear_beta", eta=0.5, timestep_spacing="logsnr", **options)
    assert scheduler_settings(linear)["betas"] != found["betas"]


def test_those_of_monai_and_diffusers():
    found = scheduler_settings(monai_schedulers.RFlowScheduler(use_timestep_transform=True))
    assert found["class"] == "monai.networks.schedulers.rectified_flow.RFlowScheduler"
    assert found["use_timestep_transform"] is True
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.UniPCMultistepScheduler(solver_order=3, prediction_type="v_prediction")
    found = scheduler_settings(scheduler)
    assert found["class"] == "diffusers.schedulers.scheduling_unipc_multistep.UniPCMultistepScheduler"
    assert (found["solver_order"], found["prediction_type"], found["betas"][-1]) == (3, "v_prediction", 0.02)
    json.dumps(found)
    scheduler.set_timesteps(7)
    assert scheduler_settings(scheduler) == found
