import pytest
import torch
from brain_bundles.losses import KLDivergenceLoss
from torch.distributions import Normal, kl_divergence


def test_standard_normal_has_no_divergence():
    assert KLDivergenceLoss()(torch.zeros(2, 3, 4, 4, 4), torch.ones(2, 3, 4, 4, 4)).item() == 0.0


def test_value_by_hand():
    """mu 2, sigma 1: mu^2 / 2 = 2 nats per element, 5 elements per sample."""
    assert KLDivergenceLoss()(torch.full((3, 5), 2.0), torch.ones(3, 5)).item() == pytest.approx(10.0)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_agrees_with_torch_distributions_summed_over_latents_and_averaged_over_batch(shape):
    generator = torch.Generator().manual_seed(0)
    mu, sigma = torch.randn(shape, generator=generator), torch.rand(shape, generator=generator) + 0.1
    expected = kl_divergence(Normal(mu, sigma), Normal(torch.zeros(()), torch.ones(()))).sum() / shape[0]
    torch.testing.assert_close(KLDivergenceLoss()(mu, sigma), expected)


def test_smallest_sigma_of_monai_stays_finite():
    """AutoencoderKL clamps log sigma^2 at -30; ln(e^-30) must come back exactly enough: 0.5 * (30 - 1)."""
    sigma = torch.full((1, 1), -15.0).exp()
    assert KLDivergenceLoss()(torch.zeros(1, 1), sigma).item() == pytest.approx(14.5, rel=1e-5)


def test_half_precision_inputs_are_summed_in_single_precision():
    mu = torch.ones(1, 70000, dtype=torch.bfloat16)
    assert KLDivergenceLoss()(mu, torch.ones_like(mu)).item() == pytest.approx(35000.0)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(1, 2\) and \(1, 3\)"):
        KLDivergenceLoss()(torch.zeros(1, 2), torch.ones(1, 3))
