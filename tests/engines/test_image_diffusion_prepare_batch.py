from __future__ import annotations

import pytest
import torch
from brain_bundles.engines import ImageDiffusionPrepareBatch
from brain_bundles.inferers import AutocastDiffusionInferer
from brain_bundles.networks import ImageSpace
from brain_bundles.schedulers import make_scheduler


def batch(dims: int) -> dict[str, torch.Tensor]:
    shape = (2, 1, *(4,) * dims)
    return {"image": torch.rand(shape), "label": torch.rand(shape), "sample_seed": torch.tensor([5, 6])}


@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_sees_the_noisy_target_beside_the_source(dims):
    scheduler = make_scheduler("ddpm", prediction_type="epsilon")
    data = batch(dims)
    prepare = ImageDiffusionPrepareBatch(scheduler, ImageSpace())
    latent, (target, weight), args, extra = prepare(data, "cpu")
    torch.testing.assert_close(latent, 2 * data["label"] - 1)
    torch.testing.assert_close(extra["condition"], 2 * data["image"] - 1)
    assert torch.equal(target, extra["noise"])
    assert bool((weight == 1).all())
    seen = []

    def network(x, timesteps, context=None):
        seen.append(x)
        return x[:, :1]

    AutocastDiffusionInferer(scheduler)(latent, network, *args, **extra)
    noisy = scheduler.add_noise(latent, extra["noise"], extra["timesteps"])
    torch.testing.assert_close(seen[0], torch.cat([noisy, extra["condition"]], dim=1))


def test_a_validation_has_several_time_steps_and_no_weight():
    prepare = ImageDiffusionPrepareBatch(
        make_scheduler("ddpm", prediction_type="v_prediction"),
        ImageSpace(),
        "v_prediction",
        num_validation_timesteps=3,
    )
    latent, target, _, extra = prepare(batch(2), "cpu")
    assert latent.shape == target.shape == extra["condition"].shape == (6, 1, 4, 4)
