"""Preconditioning around an estimate, against the closed solution for normal data."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import make_scheduler
from brain_mri_adaptive_translator import (
    ResidualPreconditioning,
    TargetDiffusionUNet,
    measure_residuals,
    target_condition,
)
from monai.bundle import ConfigParser

from .conftest import BUNDLE

STD = torch.tensor([0.5, 0.1])
ESTIMATE_STD = torch.tensor([4.0, 0.2])


@pytest.fixture
def scheduler():
    return make_scheduler("ddim", prediction_type="v_prediction")


@pytest.fixture
def preconditioning(scheduler):
    made = ResidualPreconditioning(2, scheduler)
    made.set_std(STD)
    made.set_estimate_std(ESTIMATE_STD)
    return made


def draw(scheduler, timestep: int, number: int = 200_000):
    generator = torch.Generator().manual_seed(0)
    estimate = torch.randn(number, 2, generator=generator) * ESTIMATE_STD
    x = estimate + torch.randn(number, 2, generator=generator) * STD
    noise = torch.randn(number, 2, generator=generator)
    times = torch.full((number,), timestep)
    return estimate, scheduler.add_noise(x, noise, times), scheduler.get_velocity(x, noise, times)


@pytest.mark.parametrize("timestep", [0, 50, 400, 999])
def test_the_network_gives_unit_variance_and_sees_what_can_be_known_of_the_residual(
    scheduler, preconditioning, timestep
):
    estimate, noisy, velocity = draw(scheduler, timestep)
    source = torch.randn(len(estimate), 2)
    inputs, c_out, skip = preconditioning.split(noisy, [estimate, source], torch.tensor([timestep]))
    torch.testing.assert_close(((velocity - skip) / c_out).std(0), torch.ones(2), atol=0.01, rtol=0)
    seen, *known = inputs.chunk(3, dim=1)
    torch.testing.assert_close(known, [estimate / ESTIMATE_STD, source / ESTIMATE_STD])
    signal = scheduler.alphas_cumprod[timestep]
    explained = signal * STD**2 / (signal * STD**2 + 1 - signal)  # of the residual's variance, by the noisy residual
    torch.testing.assert_close(seen.std(0), explained.sqrt(), atol=0.01, rtol=0)


@pytest.mark.parametrize("timestep", [50, 400, 999])
def test_what_is_left_has_nothing_to_do_with_what_is_known(scheduler, preconditioning, timestep):
    """The best linear estimate leaves an error that neither the noisy latent nor the estimate can explain."""
    estimate, noisy, velocity = draw(scheduler, timestep)
    inputs, c_out, skip = preconditioning.split(noisy, [estimate], torch.tensor([timestep]))
    rest = (velocity - skip) / c_out
    for known in inputs.chunk(2, dim=1):
        torch.testing.assert_close((rest * known).mean(0), torch.zeros(2), atol=0.01, rtol=0)


@torch.no_grad()
def test_an_untrained_network_gives_the_target_like_latent_from_noise(scheduler, preconditioning):
    torch.manual_seed(0)
    network = TargetDiffusionUNet(
        3,
        2,
        3,
        preconditioning=preconditioning,
        channels=(4, 8),
        num_res_blocks=(1, 1),
        attention_levels=(False, True),
        num_head_channels=(0, 4),
        norm_num_groups=2,
    ).eval()  # its last convolution is zero
    like, noise = torch.randn(2, 2, 4, 4, 4), torch.randn(2, 2, 4, 4, 4)
    time = torch.tensor([999, 999])
    velocity = network(torch.cat([noise, target_condition(like, torch.randn_like(like), [0, 2], 3)], dim=1), time)
    signal = scheduler.alphas_cumprod[999]
    clean = signal.sqrt() * noise - (1 - signal).sqrt() * velocity
    torch.testing.assert_close(clean, like, atol=0.02, rtol=0)


def test_standard_deviations_are_measured_on_pairs(scheduler, adaptive):
    generator = torch.Generator().manual_seed(0)
    pairs = [
        {
            "image_mean": torch.randn(2, 4, 4, 4, generator=generator),
            "label_mean": torch.randn(2, 4, 4, 4, generator=generator),
            "target": target,
        }
        for target in (0, 2, 1)
    ]
    network = torch.nn.Module()
    network.preconditioning = ResidualPreconditioning(2, scheduler)
    assert measure_residuals(network, pairs, adaptive, max_pairs=2) is network
    with torch.no_grad():
        like = adaptive.target_like(torch.stack([pair["image_mean"] for pair in pairs[:2]]), [0, 2])
    rest = torch.stack([pair["label_mean"] for pair in pairs[:2]]) - like
    torch.testing.assert_close(network.preconditioning.estimate_std, like.std((0, 2, 3, 4), correction=0))
    torch.testing.assert_close(network.preconditioning.std, rest.std((0, 2, 3, 4), correction=0))
    assert set(network.state_dict()) == {"preconditioning.std", "preconditioning.estimate_std"}
    plain = torch.nn.Linear(1, 1)
    assert measure_residuals(plain, pairs, adaptive) is plain


@pytest.mark.parametrize("std", [torch.ones(3), torch.tensor([1.0, 0.0])])
def test_a_wrong_standard_deviation_is_refused(preconditioning, std):
    with pytest.raises(ValueError, match="expected 2 positive standard deviations"):
        preconditioning.set_estimate_std(std)


@torch.no_grad()
@pytest.mark.parametrize("use_source", [True, False])
def test_noise_alone_tells_a_network_of_any_weights_nothing(make_network, use_source):
    """At the end of the bundle's schedule the velocity is the negative clean latent."""
    config = ConfigParser()
    config.read_config(str(BUNDLE / "configs" / "train.json"))
    scheduler = config.get_parsed_content("scheduler")
    network = make_network(preconditioning=ResidualPreconditioning(2, scheduler), use_source=use_source)
    like, source, one, another = torch.randn(4, 2, 2, 4, 4, 4)
    condition, time = target_condition(like, source, [0, 2], 3), torch.tensor([999, 999])
    clean = [-network(torch.cat([noise, condition], dim=1), time) for noise in (one, another)]
    torch.testing.assert_close(clean[0], clean[1], atol=2e-3, rtol=0)
    assert (clean[0] - like).abs().max() > 0.05  # it does correct the target-like latent
