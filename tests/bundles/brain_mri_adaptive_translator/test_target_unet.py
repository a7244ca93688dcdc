"""The diffusion network, and its training batches."""

from __future__ import annotations

import re

import pytest
import torch
from brain_bundles.schedulers import make_scheduler
from brain_mri_adaptive_translator import (
    ResidualPreconditioning,
    TargetDiffusionPrepareBatch,
    target_condition,
)
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler


def batch() -> dict:
    def draw(seed: int) -> torch.Tensor:
        return torch.randn(4, 2, 4, 4, 4, generator=torch.Generator().manual_seed(seed))

    return {
        "image_mean": draw(1),
        "image_sigma": torch.zeros(4, 2, 4, 4, 4),
        "label_mean": draw(2),
        "label_sigma": torch.zeros(4, 2, 4, 4, 4),
        "source": torch.tensor([0, 1, 2, 0]),
        "target": torch.tensor([1, 2, 0, 2]),
        "sample_seed": torch.arange(4),
    }


@torch.no_grad()
def test_the_condition_is_target_like_latents_sources_and_a_token(network):
    x, like, source = torch.randn(3, 2, 2, 4, 4, 4)
    condition = target_condition(like, source, [2, 0], 3)
    assert condition.shape == (2, 7, 4, 4, 4)
    times = torch.tensor([3, 700])
    token = torch.tensor([[[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]])
    expected = network.unet(torch.cat([x, like, source], 1), timesteps=times, context=token)
    torch.testing.assert_close(network(torch.cat([x, condition], 1), times), expected)
    other = network(torch.cat([x, target_condition(like, source, [1, 0], 3)], 1), times)
    assert (other - expected).abs()[0].max() > 1e-4
    torch.testing.assert_close(other[1], expected[1])


@torch.no_grad()
@pytest.mark.parametrize("use_source", [True, False])
def test_the_source_counts_where_it_is_used(make_network, use_source):
    network = make_network(use_source=use_source)
    x, like, source, another = torch.randn(4, 1, 2, 4, 4, 4)
    first, second = (network(torch.cat([x, target_condition(like, s, [2], 3)], 1)) for s in (source, another))
    assert bool((first - second).abs().max() > 1e-4) is use_source


def test_batches_hold_the_target_beside_the_translated_source_and_the_source(network, adaptive):
    scheduler = DDPMScheduler(1000, prediction_type="v_prediction")
    prepare = TargetDiffusionPrepareBatch(scheduler, adaptive, prediction_type="v_prediction")
    latent, (target, _), args, extra = prepare(batch(), "cpu")
    torch.testing.assert_close(latent, batch()["label_mean"])
    like = adaptive.target_like(batch()["image_mean"], [1, 2, 0, 2])
    torch.testing.assert_close(extra["condition"], target_condition(like, batch()["image_mean"], [1, 2, 0, 2], 3))
    assert not extra["condition"].requires_grad
    prediction = DiffusionInferer(scheduler)(latent, network, *args, **extra)
    assert prediction.shape == target.shape


def test_a_pair_counts_by_its_error_relative_to_that_of_its_target_like_latent(adaptive):
    scheduler = make_scheduler("ddim", prediction_type="v_prediction")
    preconditioning = ResidualPreconditioning(2, scheduler)
    preconditioning.set_std(torch.tensor([2.0, 1.0]))
    options = {"prediction_type": "v_prediction", "preconditioning": preconditioning}
    items = batch()
    with torch.no_grad():
        like = adaptive.target_like(items["image_mean"], [1, 2, 0, 2])
    items["label_mean"] = like + torch.tensor([1.0, 2.0, 4.0, 0.0]).reshape(4, 1, 1, 1, 1)
    _, (velocity, weight), _, _ = TargetDiffusionPrepareBatch(scheduler, adaptive, **options)(items, "cpu")
    _, relative, _, _ = TargetDiffusionPrepareBatch(scheduler, adaptive, relative_error=True, **options)(items, "cpu")
    torch.testing.assert_close(relative[0], velocity)
    # Squared errors 1, 4, 16 and 0, over the mean of the squared standard deviations, 2.5; the last one is bounded.
    expected = weight / torch.tensor([1 / 2.5, 4 / 2.5, 16 / 2.5, 0.01]).reshape(4, 1, 1, 1, 1)
    torch.testing.assert_close(relative[1], expected, atol=1e-4, rtol=1e-4)


def test_every_parameter_of_the_network_learns(network, adaptive):
    scheduler = DDPMScheduler(1000, prediction_type="v_prediction")
    prepare = TargetDiffusionPrepareBatch(scheduler, adaptive, prediction_type="v_prediction")
    latent, (target, _), _, extra = prepare(batch(), "cpu")
    (DiffusionInferer(scheduler)(latent, network.train(), **extra) - target).square().mean().backward()
    still = {name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    # Attention to a single token gives it the weight 1, whatever the query and the key are.
    assert {name for name in still if not re.search("attn2.to_[qk]|norm2", name)} == set()


def test_a_wrong_number_of_channels_is_named(network):
    with pytest.raises(ValueError, match="x has 4 channels, expected 9"):
        network(torch.zeros(1, 4, 4, 4, 4))
