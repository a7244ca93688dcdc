from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import LatentVQAutoencoder


@pytest.fixture
def tiny(make_vq_autoencoder):
    def make(spatial_dims: int, **options) -> LatentVQAutoencoder:
        network = make_vq_autoencoder(spatial_dims, num_embeddings=16, **options)
        network.set_latent_statistics([0.5, -1.0], [2.0, 0.5])
        return network

    return make


def image(spatial_dims: int) -> torch.Tensor:
    return torch.rand(2, 1, *(8,) * spatial_dims, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_latent_is_what_the_encoder_gives_before_quantisation(tiny, spatial_dims, shortcut):
    network, x = tiny(spatial_dims, linear_shortcut=shortcut).eval(), image(spatial_dims)
    mean, sigma = network.encode_moments(x)
    assert mean.shape == (2, 2, *(4,) * spatial_dims)
    torch.testing.assert_close(network.denormalise(mean), network.encode(x))
    assert not sigma.any()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_decoding_a_latent_quantises_it_as_the_reconstruction_does(tiny, spatial_dims):
    network, x = tiny(spatial_dims).eval(), image(spatial_dims)
    reconstruction = network.reconstruct(x)
    torch.testing.assert_close(network(x)[0], reconstruction)
    decoded = network.decode_stage_2_outputs(network.encode_stage_2_inputs(x))
    torch.testing.assert_close(decoded, reconstruction, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_decoding_in_slabs_quantises_too(tiny):
    network = tiny(3).eval()
    z = network.encode_moments(image(3))[0]
    torch.testing.assert_close(
        network.decode_stage_2_outputs(z, slab_size=2), network.decode_stage_2_outputs(z), rtol=1e-4, atol=1e-5
    )


def test_every_parameter_learns(tiny):
    network = tiny(2)
    reconstruction, loss = network(image(2))
    (reconstruction.mean() + loss).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


def test_state_holds_statistics_and_usage_and_no_spread(tiny):
    names = set(tiny(2).state_dict())
    assert {"latent_mean", "latent_std", "quantiser.usage", "quantiser.codebooks"} <= names
    assert not [name for name in names if "log_sigma" in name]
