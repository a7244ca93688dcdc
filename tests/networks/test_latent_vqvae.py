from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import LatentVQVAE


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = LatentVQVAE(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=(8, 8),
        num_res_layers=1,
        num_res_channels=(8, 8),
        downsample_parameters=((2, 4, 1, 1),) * 2,
        upsample_parameters=((2, 4, 1, 1, 0),) * 2,
        num_embeddings=16,
        embedding_dim=3,
    ).eval()
    network.set_latent_statistics([0.5, -1.0, 0.0], [2.0, 0.5, 1.0])
    return network


def test_the_latent_is_what_the_encoder_gives_before_quantisation(network):
    x = torch.rand(2, 1, 16, 16)
    mean, sigma = network.encode_moments(x)
    assert mean.shape == (2, 3, 4, 4)
    torch.testing.assert_close(network.denormalise(mean), network.encode(x))
    assert not sigma.any()


def test_decoding_a_latent_quantises_it_as_the_reconstruction_does(network):
    x = torch.rand(2, 1, 16, 16)
    reconstruction = network.reconstruct(x)
    torch.testing.assert_close(network.decode_stage_2_outputs(network.encode_stage_2_inputs(x)), reconstruction)
    torch.testing.assert_close(network(x)[0], reconstruction)


def test_statistics_travel_in_the_state(network):
    assert {"latent_mean", "latent_std"} <= set(network.state_dict())
