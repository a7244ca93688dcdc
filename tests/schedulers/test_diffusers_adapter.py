"""Schedulers of diffusers and MONAI, taken as a config gives them, on a flow whose end point is known."""

from __future__ import annotations

import copy

import pytest
import torch
from brain_bundles.inferers import denoise
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.schedulers.diffusers_adapter import SUPPORTED, check_scheduler
from monai.networks import schedulers as monai_schedulers

diffusers = pytest.importorskip("diffusers")

STD = 0.5
PAPER = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0205}
NO_CLIP = {"DDIMScheduler": {"clip_sample": False}, "DDPMScheduler": {"clip_sample": False}}
RANDOM = ("DDPMScheduler", "EulerAncestralDiscreteScheduler")
FLOWS = [name for name in SUPPORTED if name not in RANDOM]


def of_diffusers(name: str, **options: object):
    return getattr(diffusers, name)(**{**PAPER, **NO_CLIP.get(name, {}), **options})


def exact(scheduler, kind: str):
    """The network for data N(0, s^2)."""
    levels = scheduler.alphas_cumprod.double()

    def network(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
        assert not timesteps.is_floating_point()  # as in training
        a = levels[timesteps].reshape(-1, 1, 1, 1, 1)
        clean = a.sqrt() * STD**2 / (a * STD**2 + 1 - a) * x
        epsilon = (x - a.sqrt() * clean) / (1 - a).sqrt()
        return {"epsilon": epsilon, "v_prediction": a.sqrt() * epsilon - (1 - a).sqrt() * clean, "sample": clean}[kind]

    return network


def sample(steps: DenoisingSteps, noise: torch.Tensor, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What a walk gives, and what the exact solution of its flow gives where it ends."""
    scheduler, timesteps = steps.begin()
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(noise))]
    start = noise * scheduler.init_noise_sigma
    following, clean = denoise(exact(scheduler, kind), start, scheduler, timesteps, generators=generators)
    first, last = (float(scheduler.alphas_cumprod[round(float(timesteps[i]))]) for i in (0, -1))
    flow = noise / (first * STD**2 + 1 - first) ** 0.5  # x / std(x_t) stays
    if not steps.ends_early:
        return following, flow * STD
    return clean, flow * (last * STD**2 + 1 - last) ** 0.5 * last**0.5 * STD**2 / (last * STD**2 + 1 - last)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", FLOWS)
def test_the_exact_network_of_a_normal_density_leads_to_its_end_point(noise, name, kind):
    scheduler = of_diffusers(name, prediction_type=kind)
    found, expected = sample(DenoisingSteps(scheduler, 200), noise, kind)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)  # DDIM 0.022 measured, of the last step
    found, expected = sample(DenoisingSteps(scheduler, 200, denoising_end=0.94), noise, kind)
    torch.testing.assert_close(found, expected, rtol=0.007, atol=0)  # DDIM 0.0048, second order 0.0001


@pytest.mark.parametrize("name", [name for name in FLOWS if name != "DDIMScheduler"])
def test_noise_levels_between_the_trained_ones_are_asked_at_the_nearest(noise, name):
    scheduler = of_diffusers(name, use_karras_sigmas=True)
    found, expected = sample(DenoisingSteps(scheduler, 200, denoising_end=0.94), noise, "epsilon")
    torch.testing.assert_close(found, expected, rtol=0.015, atol=0)  # Euler 0.0082, second order 0.0005


@pytest.mark.parametrize("name", RANDOM)
def test_random_walks_keep_the_variance_and_the_noise_of_each_sample(name):
    steps = DenoisingSteps(of_diffusers(name), 200)
    noise = torch.randn(3, 1, 20, 20, 20, generator=torch.Generator().manual_seed(1))
    found, _ = sample(steps, noise, "epsilon")
    assert 0.455 < float(found.std()) < 0.51  # 0.5, less the bias of 200 steps
    torch.testing.assert_close(sample(steps, noise[:1], "epsilon")[0], found[:1], rtol=0, atol=0)
    assert abs(float((found * noise).mean())) < 0.01  # the start is forgotten


@pytest.mark.parametrize("name", SUPPORTED)
@pytest.mark.parametrize("count", [1, 2, 15])
def test_a_walk_is_that_of_diffusers(noise, name, count):
    steps, theirs = DenoisingSteps(of_diffusers(name), count), of_diffusers(name)
    theirs.set_timesteps(count)
    scheduler, timesteps = steps.begin()
    network, x = exact(scheduler, "epsilon"), noise * theirs.init_noise_sigma
    torch.manual_seed(3)
    found, _ = denoise(network, x, scheduler, timesteps)
    torch.manual_seed(3)
    for timestep in theirs.timesteps:
        asked = timestep.round().long().expand(len(noise))
        x = theirs.step(network(theirs.scale_model_input(x, timestep), timesteps=asked), timestep, x).prev_sample
    torch.testing.assert_close(found, x, rtol=0, atol=0)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("name", FLOWS)
def test_a_walk_can_begin_with_noised_latents(noise, name):
    """With one image as data, a walk from anywhere comes back to it."""
    steps = DenoisingSteps(of_diffusers(name, prediction_type="sample"), 20, denoising_start=0.5)
    scheduler, timesteps = steps.begin(from_noise=False)
    assert 0 < len(timesteps) < len(scheduler.timesteps)
    image = torch.linspace(-2, 3, noise.numel(), dtype=torch.float64).view_as(noise)

    def network(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
        return image

    start = scheduler.add_noise(image, noise, timesteps[:1].expand(len(noise)))
    found, clean = denoise(network, start, scheduler, timesteps)
    torch.testing.assert_close(found, image, rtol=0, atol=0.02)  # DDIM ends at the first trained timestep
    torch.testing.assert_close(clean, image, rtol=0, atol=1e-5)


def test_walks_share_nothing(noise):
    configured = of_diffusers("DPMSolverMultistepScheduler")
    before = copy.deepcopy(configured.timesteps)
    steps = DenoisingSteps(configured, 10)
    abandoned, timesteps = steps.begin()
    abandoned.step(noise, timesteps[0], noise)
    first = sample(steps, noise, "epsilon")[0]
    torch.testing.assert_close(sample(steps, noise, "epsilon")[0], first, rtol=0, atol=0)
    assert configured.timesteps.tolist() == before.tolist()


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (lambda: diffusers.FlowMatchEulerDiscreteScheduler(), "diffusers's FlowMatchEulerDiscreteScheduler cannot run"),
        (lambda: diffusers.LCMScheduler(), r"diffusers's LCMScheduler .* supported: DDIMScheduler, DDPMScheduler"),
        (lambda: diffusers.DDIMScheduler(), r"DDIMScheduler cannot run here: clip_sample cuts .* 'clip_sample': False"),
        (lambda: of_diffusers("UniPCMultistepScheduler", thresholding=True), "UniPC.*: thresholding cuts"),
        (lambda: of_diffusers("DPMSolverMultistepScheduler", use_flow_sigmas=True), "use_flow_sigmas is for networks"),
        (lambda: of_diffusers("DDPMScheduler", variance_type="learned"), "variance_type 'learned' needs"),
        (lambda: of_diffusers("EulerDiscreteScheduler", prediction_type="noise"), "prediction_type 'noise' is none of"),
        (lambda: monai_schedulers.DDIMScheduler(), "monai's DDIMScheduler cannot run here: clip_sample"),
        (lambda: monai_schedulers.PNDMScheduler(), "monai's PNDMScheduler cannot run here: it predicts no clean"),
        (lambda: monai_schedulers.DDPMScheduler(clip_sample=False), "exactly the 1000 steps .* num_inference_steps 15"),
        (lambda: torch.nn.Linear(1, 1), "torch's Linear cannot run here: it is neither"),
    ],
)
def test_what_cannot_run_is_refused_by_name_at_once(scheduler, message):
    with pytest.raises(ValueError, match=message):
        DenoisingSteps(scheduler(), 15)


def test_a_scheduler_for_another_kind_of_network_is_refused():
    """Its walk would end in noise, without a word."""
    ours = make_scheduler("rflow", prediction_type="rectified_flow")
    monai_s = monai_schedulers.DDIMScheduler(clip_sample=False, prediction_type="v_prediction")
    schedulers = {
        "epsilon": of_diffusers("EulerDiscreteScheduler"),
        "v_prediction": monai_s,
        "rectified_flow": ours,
    }
    for kind, scheduler in schedulers.items():
        for other in schedulers:
            if other == kind:
                check_scheduler(scheduler, 15, prediction_type=kind)
            else:
                with pytest.raises(ValueError, match=f"that predicts '{kind}', this one predicts '{other}'"):
                    check_scheduler(scheduler, 15, prediction_type=other)
    check_scheduler(monai_schedulers.RFlowScheduler(), 15, prediction_type="rectified_flow")


@pytest.mark.parametrize("count", [0, 1001])
def test_a_number_of_steps_outside_of_the_schedule_is_refused(count):
    with pytest.raises(ValueError, match=f"num_inference_steps must be between 1 and 1000, got {count}"):
        DenoisingSteps(of_diffusers("EulerDiscreteScheduler"), count)


def test_the_schedulers_of_monai_and_ours_run_as_before():
    for scheduler in (
        make_scheduler("ddim", prediction_type="epsilon", clip_sample=True),
        monai_schedulers.DDIMScheduler(clip_sample=False),
        monai_schedulers.RFlowScheduler(),
    ):
        walking, timesteps = DenoisingSteps(scheduler, 15).begin()
        assert type(walking) is type(scheduler)
        assert len(timesteps) == 15
