from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import LatentAutoencoderKL
from monai.networks.nets import DiffusionModelUNet


@pytest.fixture(scope="package")
def network() -> DiffusionModelUNet:
    torch.manual_seed(0)
    net = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=2,
        channels=(8, 8),
        attention_levels=(False, True),
        num_res_blocks=1,
        num_head_channels=8,
        norm_num_groups=4,
        with_conditioning=True,
        cross_attention_dim=4,
    ).eval()
    for parameter in net.parameters():  # the zero-initialised layers would hide the condition
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    return net


@pytest.fixture(scope="package")
def autoencoder(make_autoencoder) -> LatentAutoencoderKL:
    net = make_autoencoder(seed=1, norm_num_groups=4).eval()
    net.set_latent_statistics([0.1, -0.1], [0.5, 2.0])
    return net


@pytest.fixture
def context() -> torch.Tensor:
    return torch.rand(3, 1, 4, generator=torch.Generator().manual_seed(2))
