"""Timesteps of a walk, and independence of walks."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.schedulers.denoising_steps import _part
from brain_bundles.schedulers.timesteps import TIMESTEP_SPACINGS
from monai.networks.schedulers import Scheduler

SCHEDULERS = {
    **{
        f"{name} {spacing}": ("ddim", {"beta_end": beta_end, "timestep_spacing": spacing})
        for spacing in TIMESTEP_SPACINGS
        for name, beta_end in (("betas to 0.0205", 0.0205), ("betas to 0.04", 0.04))
    },
    "dpm_solver": ("dpm_solver", {}),
    "ddpm": ("ddpm", {}),
    "rflow": ("rflow", {}),
    "dpm_solver of a flow": ("dpm_solver", {"prediction_type": "rectified_flow"}),
    "rflow continuous": ("rflow", {"use_discrete_timesteps": False}),
}
STEP_COUNTS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 50, 1000)


def scheduler_of(name: str) -> Scheduler:
    sampler, options = SCHEDULERS[name]
    prediction_type = "rectified_flow" if sampler == "rflow" else "epsilon"
    return make_scheduler(sampler, **{"prediction_type": prediction_type, **options})


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_hundredth_selects_what_exact_arithmetic_selects(name):
    """1 - 0.94 is not 0.06 in floating point: the timestep 60 of 1000 must not depend on that."""
    scheduler = scheduler_of(name)
    for count in (1000,) if name == "ddpm" else STEP_COUNTS:
        timesteps = DenoisingSteps(scheduler, count).begin()[1]
        # In integers: left / whole is the share of the denoising that is left.
        left, whole = timesteps, 1000
        if timesteps.is_floating_point():
            left, whole = count - torch.arange(count), count
        for hundredths in range(1, 100):
            share, rest = hundredths / 100, (100 - hundredths) * whole
            expected = timesteps[100 * left >= rest]
            assert torch.equal(_part(timesteps, 1000, 0.0, share), expected if len(expected) else timesteps[:1])
            expected = timesteps[100 * left <= rest]
            assert torch.equal(_part(timesteps, 1000, share, 1.0), expected if len(expected) else timesteps[-1:])


def test_both_edges_of_a_part_belong_to_it():
    scheduler = make_scheduler("ddim", prediction_type="epsilon", timestep_spacing="leading")
    steps = DenoisingSteps(scheduler, 50, denoising_start=0.5, denoising_end=0.94)
    assert steps.begin(from_noise=False)[1].tolist() == list(range(500, 59, -20))
    assert steps.begin()[1].tolist() == list(range(980, 59, -20))  # noise alone takes all steps to the end


def test_the_defaults_take_the_whole_schedule():
    steps = DenoisingSteps(scheduler_of("dpm_solver"), 15)
    assert not steps.ends_early
    for from_noise in (True, False):
        scheduler, timesteps = steps.begin(from_noise=from_noise)
        assert timesteps.tolist() == scheduler.timesteps.tolist()
        assert len(timesteps) == 15
    assert DenoisingSteps(scheduler_of("dpm_solver"), 15, denoising_end=0.94).ends_early


@pytest.mark.parametrize("part", [{"denoising_start": 0.99}, {"denoising_start": 0.5, "denoising_end": 0.55}])
def test_a_walk_takes_one_step_at_least(part):
    for count in (1, 2):
        _, timesteps = DenoisingSteps(scheduler_of("betas to 0.04 trailing"), count, **part).begin(from_noise=False)
        assert len(timesteps) == 1


def test_walks_share_nothing():
    """An abandoned walk changes neither the configured scheduler nor the next walk."""
    configured = make_scheduler("dpm_solver", prediction_type="epsilon")
    before = configured.timesteps.clone()
    steps = DenoisingSteps(configured, 10)
    sample = torch.ones(1, 1, 2, 2, 2)
    abandoned, timesteps = steps.begin()
    abandoned.step(sample, timesteps[3], sample)
    fresh, _ = steps.begin()
    other, _ = steps.begin()
    expected = other.step(2 * sample, timesteps[4], sample)[0]
    torch.testing.assert_close(fresh.step(2 * sample, timesteps[4], sample)[0], expected, rtol=0, atol=0)
    assert not torch.equal(abandoned.step(2 * sample, timesteps[4], sample)[0], expected)  # it remembers its walk
    assert torch.equal(configured.timesteps, before)


def test_timesteps_may_depend_on_the_size_of_the_latents():
    flow = make_scheduler("rflow", prediction_type="rectified_flow", use_timestep_transform=True)
    steps = DenoisingSteps(flow, 5)
    assert steps.begin((8, 8, 8))[1].tolist() != steps.begin((64, 64, 64))[1].tolist()
    assert steps.begin()[1].tolist() == steps.begin((32, 32, 32))[1].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"denoising_start": 1.0}, r"denoising_start must be at least 0 and below 1, got 1\.0"),
        ({"denoising_start": -0.1}, r"denoising_start must be at least 0 and below 1, got -0\.1"),
        ({"denoising_end": 0.0}, r"denoising_end must be above denoising_start and at most 1, got 0\.0"),
        ({"denoising_end": 1.1}, r"denoising_end must be above denoising_start and at most 1, got 1\.1"),
        ({"denoising_start": 0.5, "denoising_end": 0.4}, r"got 0\.4 with denoising_start 0\.5"),
        ({"num_inference_steps": 1001}, "num_inference_steps must be between 1 and 1000"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        DenoisingSteps(scheduler_of("dpm_solver"), **arguments)
