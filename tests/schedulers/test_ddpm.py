from __future__ import annotations

import pytest
import torch
from brain_bundles.schedulers import DDPMScheduler


def test_gaussian_data_keep_their_variance(gaussian, walk):
    scheduler = DDPMScheduler(200, "scaled_linear_beta", beta_start=0.0075, beta_end=0.1025)
    scheduler.set_timesteps(200)
    x = torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(1))
    result = walk(scheduler, gaussian(0.5), x, generator=torch.Generator().manual_seed(2))
    assert 0.465 < float(result.std()) < 0.51  # 0.5, less the bias of 200 steps; 0.475 measured


@pytest.mark.parametrize("steps", [1, 50, 999])
def test_fewer_steps_than_trained_are_refused(steps):
    with pytest.raises(ValueError, match=rf"exactly the 1000 steps .* got num_inference_steps {steps}; .* dpm_solver"):
        DDPMScheduler().set_timesteps(steps)


def test_no_clipping_by_default(noise):
    assert DDPMScheduler().step(0 * noise, 999, 9 * noise)[1].abs().max() > 1
