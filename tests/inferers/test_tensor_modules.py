"""Modules from tensors to volumes give what their inferers give, and can be traced, with every sampler that may be."""

from __future__ import annotations

import copy

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler, SegmentationInferer, random_image
from brain_bundles.schedulers import DenoisingSteps, make_scheduler

SHAPE = (2, 4, 6, 4)
SEED = 5


def sampler(autoencoder, name: str, prediction_type: str, steps: int = 4, **options) -> LatentSampler:
    scheduler = make_scheduler(name, prediction_type=prediction_type, num_train_timesteps=10, **options)
    return LatentSampler(
        DenoisingSteps(scheduler, steps, denoising_end=0.7),
        Denoiser(precision="fp32"),
        LatentDecoder(autoencoder, precision="fp32"),
        latent_shape=SHAPE,
    )


@pytest.fixture
def conditioned(network) -> torch.nn.Module:
    network = copy.copy(network)
    network.num_covariates = 4
    return network


@pytest.mark.parametrize(
    ("name", "prediction_type"),
    [
        ("ddim", "epsilon"),
        ("dpm_solver", "epsilon"),
        ("dpm_solver", "v_prediction"),
        ("rflow", "rectified_flow"),
    ],
)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # timesteps become constants
def test_a_trace_gives_what_the_sampler_gives(conditioned, autoencoder, name, prediction_type):
    made = sampler(autoencoder, name, prediction_type)
    module = made.to_module(conditioned)
    inputs = module.inputs(SEED)
    assert {key: tuple(value.shape) for key, value in inputs.items()} == {"context": (1, 1, 4), "noise": (1, *SHAPE)}
    assert list(inputs) == list(module.about)
    with torch.inference_mode():
        traced = torch.jit.trace(module, tuple(module.inputs().values()), check_trace=False)
        found = traced(*inputs.values())
        other = traced(*module.inputs().values())
        again = [module(**inputs) for _ in range(2)]
    expected = made(inputs["context"], conditioned, seeds=[SEED])  # the noise of a seed is the sampler's
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(again[0], expected)
    assert torch.equal(again[1], expected)  # no call remembers the one before
    assert float((found - other).abs().max()) > 1e-3
    timesteps = module.settings["timesteps"]
    assert len(timesteps) < 4
    assert timesteps == made.steps.begin()[1].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "ddpm", "steps": 10}, "DDPMScheduler cannot be exported: its steps draw noise"),
        ({"name": "ddim", "eta": 0.3}, "DDIMScheduler cannot be exported: its steps draw noise"),
    ],
)
def test_samplers_that_draw_noise_are_refused(conditioned, autoencoder, options, message):
    with pytest.raises(ValueError, match=message):
        sampler(autoencoder, prediction_type="epsilon", **options).to_module(conditioned)


def test_schedulers_of_diffusers_are_refused(conditioned, autoencoder):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.UniPCMultistepScheduler(num_train_timesteps=10, prediction_type="epsilon")
    decoder = LatentDecoder(autoencoder, precision="fp32")
    made = LatentSampler(DenoisingSteps(scheduler, 4), Denoiser(precision="fp32"), decoder, latent_shape=SHAPE)
    with pytest.raises(ValueError, match="diffusers's UniPCMultistepScheduler cannot be exported"):
        made.to_module(conditioned)


def test_what_a_module_needs(network, conditioned, autoencoder):
    made = sampler(autoencoder, "ddim", "epsilon")
    with pytest.raises(ValueError, match="a DiffusionModelUNet without num_covariates, or a sampler without latent"):
        made.to_module(network)
    made.decoder.precision = "auto"
    with pytest.raises(ValueError, match="precision is 'auto'; an export computes in 'fp32'"):
        made.to_module(conditioned)
    made.decoder.precision, made.decoder.slab_size = "fp32", 8
    with pytest.raises(ValueError, match="decode_slab_size is 8; an export needs null"):
        made.to_module(conditioned)
    with pytest.raises(ValueError, match="precision is 'bf16'"):
        SegmentationInferer(precision="bf16").to_module(torch.nn.Identity(), (4, 4, 4))


def test_a_random_image_has_as_much_air_as_a_scan():
    image = random_image((40, 48, 40), seed=3)
    assert image.shape == (1, 1, 40, 48, 40)
    assert 0.15 < float((image > 0).float().mean()) < 0.22  # the ball has 0.185 of its cube
    assert image[0, 0, 0, 0, 0] == 0
    assert 0.99 < float(image.max()) < 1
    assert torch.equal(image, random_image((40, 48, 40), seed=3))
    assert not torch.equal(image, random_image((40, 48, 40), seed=4))
