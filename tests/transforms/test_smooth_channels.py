"""Smoothing of channels, with MONAI's filter as the oracle."""

import pytest
import torch
from brain_bundles.transforms.smooth_channels import smooth_channels
from monai.networks.layers import GaussianFilter


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(1, 12, 15, 9), (3, 5, 1, 30)], ids=["larger", "smaller than the kernel"])
def test_it_is_the_filter_of_monai(shape, sigma):
    volume = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    expected = GaussianFilter(3, sigma)(volume[None])[0]
    torch.testing.assert_close(smooth_channels(volume, sigma), expected, rtol=0, atol=1e-6)
