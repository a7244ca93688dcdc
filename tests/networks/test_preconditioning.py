"""Preconditioning against the closed solution for normal data."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import VelocityPreconditioning, measure_preconditioning
from brain_bundles.schedulers import make_scheduler

STD = torch.tensor([4.0, 1.0, 0.1])


@pytest.fixture
def scheduler():
    return make_scheduler("ddim", prediction_type="v_prediction")


@pytest.fixture
def preconditioning(scheduler):
    made = VelocityPreconditioning(3, scheduler)
    made.set_std(STD)
    return made


def noisy(scheduler, timestep: int, number: int = 200_000):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(number, 3, generator=generator) * STD
    noise = torch.randn(number, 3, generator=generator)
    times = torch.full((number,), timestep)
    return scheduler.add_noise(x, noise, times), scheduler.get_velocity(x, noise, times)


@pytest.mark.parametrize("timestep", [0, 50, 400, 999])
def test_the_network_sees_and_gives_unit_variance(scheduler, preconditioning, timestep):
    y, velocity = noisy(scheduler, timestep)
    c_in, c_skip, c_out = preconditioning.coefficients(torch.tensor([timestep]), 2)
    torch.testing.assert_close((c_in * y).std(0), torch.ones(3), atol=0.01, rtol=0)
    torch.testing.assert_close(((velocity - c_skip * y) / c_out).std(0), torch.ones(3), atol=0.01, rtol=0)


@pytest.mark.parametrize("timestep", [50, 400, 999])
def test_the_skip_is_the_regression_of_the_velocity(scheduler, preconditioning, timestep):
    y, velocity = noisy(scheduler, timestep)
    slope = (y * velocity).mean(0) / y.square().mean(0)
    _, c_skip, _ = preconditioning.coefficients(torch.tensor([timestep]), 2)
    torch.testing.assert_close(c_skip[0], slope, atol=0.02, rtol=0.01)


def test_unit_latents_are_plain_velocities(scheduler):
    c_in, c_skip, c_out = VelocityPreconditioning(2, scheduler).coefficients(torch.tensor([3, 700]), 5)
    for found, expected in ((c_in, 1.0), (c_skip, 0.0), (c_out, 1.0)):
        assert found.shape == (2, 2, 1, 1, 1)
        torch.testing.assert_close(found, torch.full_like(found, expected), atol=1e-6, rtol=0)


def test_the_measured_scale_travels_with_the_weights(scheduler):
    class Latents:
        def channel_std(self):
            return STD

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.preconditioning = VelocityPreconditioning(3, scheduler)

    network = measure_preconditioning(Network(), Latents())
    assert list(network.state_dict()) == ["preconditioning.std"]
    torch.testing.assert_close(network.state_dict()["preconditioning.std"], STD)
    plain = torch.nn.Linear(1, 1)
    assert measure_preconditioning(plain, Latents()) is plain


@pytest.mark.parametrize("std", [torch.ones(2), torch.tensor([1.0, 0.0, 1.0])])
def test_a_wrong_scale_is_refused(preconditioning, std):
    with pytest.raises(ValueError, match="expected 3 positive standard deviations"):
        preconditioning.set_std(std)
