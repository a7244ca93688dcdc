import math

import pytest
import torch
from brain_bundles.evaluation.sampler_table import relative_rms, sampler_table


def test_relative_rms_of_a_known_difference():
    reference = torch.tensor([3.0, 4.0])
    assert relative_rms(1.1 * reference, reference) == pytest.approx(0.1)
    assert math.isnan(relative_rms(reference, torch.zeros(2)))


def test_rows_are_compared_with_the_reference_which_stands_last():
    calls = []

    def sample(name, steps):
        calls.append((name, steps))
        latents = torch.full((2, 1, 2, 2, 2), 1 + 1 / steps, dtype=torch.float64)
        return latents, latents + 1

    rows = sampler_table(sample, rows=[("ddim", 10), ("dpm_solver", 20)], reference=("ddim", 1000))
    assert [(r.sampler, r.num_inference_steps) for r in rows] == [("ddim", 10), ("dpm_solver", 20), ("ddim", 1000)]
    assert calls[0] == ("ddim", 1000)
    assert rows[0].latent_error == pytest.approx((0.1 - 0.001) / 1.001)
    assert rows[1].image_error == pytest.approx((0.05 - 0.001) / 2.001)
    assert (rows[2].latent_error, rows[2].image_error) == (0, 0)
    assert all(r.seconds_per_sample > 0 for r in rows)


def test_bad_samplers_are_named():
    with pytest.raises(ValueError, match="rows repeat"):
        sampler_table(lambda n, s: (torch.ones(1), torch.ones(1)), rows=[("ddim", 10)] * 2)
    with pytest.raises(ValueError, match="ddim with 10 steps gives values that are not finite"):
        sampler_table(lambda n, s: (torch.ones(1) * (math.nan if s == 10 else 1),) * 2, rows=[("ddim", 10)])
