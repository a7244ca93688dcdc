from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler


@pytest.mark.parametrize("deviations", [(1.0, 1.0), (4.0, 0.5)])
@pytest.mark.parametrize(
    ("sampler", "prediction_type"),
    [("ddim", "epsilon"), ("dpm_solver", "v_prediction"), ("rflow", "rectified_flow")],
)
def test_a_normal_density_is_sampled_with_its_variance(autoencoder, sampler, prediction_type, deviations):
    """The network is exact: given x = a x_0 + b n, x_0 is a s^2 x and n is b x over a^2 s^2 + b^2 on average."""
    scheduler = make_scheduler(sampler, prediction_type=prediction_type)
    sample = LatentSampler(
        DenoisingSteps(scheduler, 500),
        Denoiser(precision="fp32"),
        LatentDecoder(autoencoder, precision="fp32"),
        latent_shape=(2, 20, 20, 20),
    )
    variance = torch.tensor(deviations).square().reshape(-1, 1, 1, 1)

    class Exact(torch.nn.Module):
        def __init__(self):
            super().__init__()

        def forward(self, x, timesteps, context):
            if sampler == "rflow":
                b = timesteps.reshape(-1, 1, 1, 1, 1) / 1000
                a = 1 - b
            else:
                signal = scheduler.alphas_cumprod[timesteps.long()].reshape(-1, 1, 1, 1, 1)
                a, b = signal.sqrt(), (1 - signal).sqrt()
            unit = x / (a**2 * variance + b**2)
            clean, noise = a * variance * unit, b * unit
            return {"epsilon": noise, "v_prediction": a * noise - b * clean}.get(prediction_type, clean - noise)

    latents = sample.sample_latents(torch.zeros(1, 1, 4), Exact(), seeds=[0])
    for channel, deviation in enumerate(deviations):
        assert float(latents[:, channel].var()) == pytest.approx(deviation**2, rel=0.05)
