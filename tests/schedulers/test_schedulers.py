"""Promises of every scheduler, independent of its mathematics."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import make_scheduler
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import Scheduler

CASES = [
    ("ddim", "epsilon", {}),
    ("ddim", "v_prediction", {"eta": 1.0}),
    ("ddim", "epsilon", {"timestep_spacing": "leading"}),
    ("dpm_solver", "epsilon", {}),
    ("dpm_solver", "v_prediction", {"timestep_spacing": "trailing"}),
    ("ddpm", "epsilon", {}),
    ("ddpm", "v_prediction", {}),
    ("rflow", "rectified_flow", {}),
    ("dpm_solver", "rectified_flow", {}),
]
IDS = ["-".join([sampler, kind, *map(str, options.values())]) for sampler, kind, options in CASES]
TOTAL = 40


@pytest.fixture(params=CASES, ids=IDS)
def scheduler(request) -> Scheduler:
    sampler, prediction_type, options = request.param
    made = make_scheduler(sampler, prediction_type=prediction_type, num_train_timesteps=TOTAL, **options)
    made.set_timesteps(TOTAL if sampler == "ddpm" else 7)
    return made


def one_image_network(scheduler: Scheduler, image: torch.Tensor):
    """The exact network of a data set that holds one image."""

    def network(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        if scheduler.prediction_type == "rectified_flow":
            return (image - x) * TOTAL / timestep
        a = scheduler.alphas_cumprod[timestep].double()
        epsilon = (x - a.sqrt() * image) / (1 - a).sqrt()
        return epsilon if scheduler.prediction_type == "epsilon" else a.sqrt() * epsilon - (1 - a).sqrt() * image

    return network


def sample(scheduler: Scheduler, network, x: torch.Tensor) -> torch.Tensor:
    for timestep in scheduler.timesteps:
        x, _ = scheduler.step(network(x, timestep), timestep, x)
    return x


def test_timesteps_strictly_decrease_within_the_schedule(scheduler):
    assert bool((scheduler.timesteps.diff() < 0).all())
    assert 0 <= scheduler.timesteps[-1] < scheduler.timesteps[0] <= TOTAL
    assert len(scheduler.timesteps) == scheduler.num_inference_steps


def test_a_data_set_of_one_image_is_reached_exactly(scheduler, noise):
    image = torch.linspace(-2, 3, noise.numel(), dtype=torch.float64).view_as(noise)
    result = sample(scheduler, one_image_network(scheduler, image), noise)
    # MONAI's DDPM holds its schedule in float32
    torch.testing.assert_close(result, image, rtol=1e-5, atol=1e-5)


def test_every_step_also_predicts_that_image(scheduler, noise):
    image = torch.full_like(noise, 0.7)
    for timestep in scheduler.timesteps:
        output = one_image_network(scheduler, image)(noise, timestep)
        before = output.clone(), noise.clone()
        moved, clean = scheduler.step(output, timestep, noise)
        assert moved.shape == clean.shape == noise.shape
        torch.testing.assert_close(clean, image, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close((output, noise), before, rtol=0, atol=0)  # inputs are not modified


def test_one_object_serves_many_runs(scheduler, noise):
    network = one_image_network(scheduler, torch.full_like(noise, 0.3))

    def run() -> torch.Tensor:
        torch.manual_seed(3)  # for the stochastic ones
        return sample(scheduler, lambda x, t: 0.5 * network(x, t) + 0.1 * x, noise)

    first = run()
    torch.testing.assert_close(run(), first, rtol=0, atol=0)
    scheduler.step(noise, scheduler.timesteps[0], noise)  # an abandoned run
    torch.testing.assert_close(run(), first, rtol=0, atol=0)
    scheduler.set_timesteps(len(scheduler.timesteps))
    torch.testing.assert_close(run(), first, rtol=0, atol=0)


def test_a_run_with_other_shapes_between_does_not_leak(scheduler, noise):
    network = one_image_network(scheduler, torch.tensor(0.3, dtype=torch.float64))
    torch.manual_seed(3)
    first = sample(scheduler, network, noise)
    torch.manual_seed(3)
    scheduler.step(noise[:1, :1], scheduler.timesteps[0], noise[:1, :1])
    torch.manual_seed(3)
    torch.testing.assert_close(sample(scheduler, network, noise), first, rtol=0, atol=0)


def test_add_noise_ends_and_dtype(scheduler, noise):
    image = torch.ones_like(noise)
    timesteps = torch.tensor([0, TOTAL - 1])
    noisy = scheduler.add_noise(image, noise, timesteps)
    assert noisy.dtype == torch.float64
    assert (noisy[0] - image[0]).abs().max() < (noisy[1] - image[1]).abs().max()
    low = scheduler.add_noise(image.bfloat16(), noise.bfloat16(), timesteps)
    assert low.dtype in (torch.bfloat16, torch.float32)
    torch.testing.assert_close(scheduler.add_noise(image, noise, timesteps), noisy, rtol=0, atol=0)  # table unharmed


def test_float32_is_kept(scheduler, noise):
    x = noise.float()
    moved, clean = scheduler.step(x, scheduler.timesteps[0], x)
    assert moved.dtype == clean.dtype == torch.float32


def test_monai_inferer_samples_with_it(scheduler):
    class Zero(torch.nn.Module):
        def forward(self, x, timesteps, context=None):
            return torch.zeros_like(x)

    x = torch.ones(1, 1, 4, 4, 4)
    result = DiffusionInferer(scheduler).sample(x, Zero(), scheduler, verbose=False)
    assert result.shape == x.shape
    assert bool(torch.isfinite(result).all())


def test_more_steps_than_trained_are_refused(scheduler):
    with pytest.raises(ValueError, match=f"{TOTAL + 1}"):
        scheduler.set_timesteps(TOTAL + 1)
    with pytest.raises(ValueError, match="num_inference_steps"):
        scheduler.set_timesteps(0)


def test_it_prints_and_moves_like_a_module(scheduler):
    assert "Scheduler" in repr(scheduler.to("cpu"))
