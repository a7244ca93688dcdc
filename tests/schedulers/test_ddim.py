from __future__ import annotations

import itertools

import pytest
import torch
from brain_bundles.schedulers import DDIMScheduler
from monai.networks import schedulers as monai_schedulers

PAPER = {"schedule": "scaled_linear_beta", "beta_start": 0.0015, "beta_end": 0.0205}


def gaussian_end(noise: torch.Tensor, s: float, start: float, end: float) -> torch.Tensor:
    """The probability flow of N(0, s^2) keeps x / std(x_t): from alpha_bar ``start`` to ``end``."""
    return noise * ((end * s**2 + 1 - end) / (start * s**2 + 1 - start)) ** 0.5


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_first_order_on_the_exact_gaussian_flow(noise, gaussian, walk, prediction_type):
    scheduler = DDIMScheduler(prediction_type=prediction_type, **PAPER)

    def error(steps: int, s: float = 1.0) -> float:
        scheduler.set_timesteps(steps)
        start = float(scheduler.alphas_cumprod[scheduler.timesteps[0]])
        result = walk(scheduler, gaussian(s, prediction_type), noise)
        return float((result / gaussian_end(noise, s, start, 1.0) - 1).abs().max())

    assert 0.015 < error(100) < 0.03  # 0.023 measured
    assert 1.7 < error(50) / error(100) < 2.3  # 1.87 measured; halving the step halves the error


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("steps", [10, 20, 50])
def test_equals_diffusers(noise, gaussian, walk, steps, spacing, prediction_type):
    diffusers = pytest.importorskip("diffusers")
    options = {"prediction_type": prediction_type, "timestep_spacing": spacing}
    ours = DDIMScheduler(**options, **PAPER)
    theirs = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.0015,
        beta_end=0.0205,
        clip_sample=False,
        set_alpha_to_one=True,
        **options,
    )
    ours.set_timesteps(steps)
    theirs.set_timesteps(steps)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    network = gaussian(0.5, prediction_type)
    expected = noise
    for timestep in theirs.timesteps:
        output = network(expected, float(theirs.alphas_cumprod[timestep]))
        expected = theirs.step(output, timestep, expected).prev_sample
    # diffusers computes coefficients in float32
    torch.testing.assert_close(walk(ours, network, noise), expected, rtol=1e-5, atol=1e-5)


def test_eta_one_equals_diffusers_noise_for_noise(noise):
    diffusers = pytest.importorskip("diffusers")
    ours = DDIMScheduler(eta=1.0, **PAPER)
    theirs = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.0015,
        beta_end=0.0205,
        clip_sample=False,
        timestep_spacing="trailing",
    )
    ours.set_timesteps(10)
    theirs.set_timesteps(10)
    for timestep in ours.timesteps:
        output, one, two = 0.3 * noise, torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
        expected = theirs.step(output, timestep, noise, eta=1.0, generator=two).prev_sample
        torch.testing.assert_close(ours.step(output, timestep, noise, generator=one)[0], expected, rtol=1e-5, atol=1e-5)


def test_eta_one_keeps_the_variance_of_gaussian_data(gaussian, walk):
    scheduler = DDIMScheduler(eta=1.0, **PAPER)
    scheduler.set_timesteps(200)
    x = torch.randn(1, 1, 200, 100, generator=torch.Generator().manual_seed(1))
    result = walk(scheduler, gaussian(0.5), x, generator=torch.Generator().manual_seed(2))
    assert 0.465 < float(result.std()) < 0.51  # 0.5, less the first-order bias of 200 steps; 0.474 measured
    assert abs(float((result * x).mean())) < 0.01  # the start is forgotten


def test_each_step_lands_where_the_network_is_asked_next(noise):
    """With one image as data every x_t is known; MONAI's steps miss the next timestep by up to one spacing."""
    image = torch.full_like(noise, 0.7)
    ours = DDIMScheduler(timestep_spacing="linspace", **PAPER)
    theirs = monai_schedulers.DDIMScheduler(clip_sample=False, **PAPER)
    errors = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(12)
        x, error = ours.add_noise(image, noise, torch.tensor([999, 999])), 0.0
        for timestep, following in itertools.pairwise(scheduler.timesteps):
            x, _ = scheduler.step(noise, int(timestep), x)
            error = max(error, float((x - ours.add_noise(image, noise, following.expand(2))).abs().max()))
        errors.append(error)
    assert errors[0] < 1e-9  # float64
    assert errors[1] > 0.01


def test_clip_sample_is_off_unless_asked(noise):
    x = 5 * noise
    assert DDIMScheduler(prediction_type="sample").step(x, 10, x)[1].abs().max() > 5
    clipped = DDIMScheduler(prediction_type="sample", clip_sample=True, clip_sample_max=2.0).step(x, 10, x)[1]
    assert float(clipped.min()) == -1.0
    assert float(clipped.max()) == 2.0


def test_bad_input(noise):
    scheduler = DDIMScheduler(**PAPER)
    scheduler.set_timesteps(10)
    with pytest.raises(ValueError, match=r"timestep 998 is not among the 10 timesteps of this run \(999 ... 99\)"):
        scheduler.step(noise, 998, noise)
    with pytest.raises(ValueError, match=r"model_output has shape .*check out_channels"):
        scheduler.step(noise[:, :1], 999, noise)
    with pytest.raises(ValueError, match=r"eta must be in \[0, 1\], got -0.5"):
        DDIMScheduler(eta=-0.5)
    with pytest.raises(ValueError, match=r"prediction_type must be one of .* got 'noise'"):
        DDIMScheduler(prediction_type="noise")
    with pytest.raises(ValueError, match=r"schedule must be one of .*'cosine'.* got 'linear'"):
        DDIMScheduler(schedule="linear")
