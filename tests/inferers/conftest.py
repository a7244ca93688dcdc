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
def autoencoder() -> LatentAutoencoderKL:
    torch.manual_seed(1)
    net = LatentAutoencoderKL(
        spatial_dims=3,
        channels=(4, 8),
        attention_levels=(False, False),
        num_res_blocks=1,
        latent_channels=2,
        norm_num_groups=4,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval()
    net.set_latent_statistics([0.1, -0.1], [0.5, 2.0])
    return net


@pytest.fixture
def context() -> torch.Tensor:
    return torch.rand(3, 1, 4, generator=torch.Generator().manual_seed(2))
