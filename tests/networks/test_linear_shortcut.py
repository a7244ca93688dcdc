from __future__ import annotations

from functools import partial

import pytest
import scipy.fft
import torch
from brain_bundles.networks import LinearShortcut


def image(spatial_dims: int, channels: int = 1, size: int = 8) -> torch.Tensor:
    return torch.rand(2, channels, *(size,) * spatial_dims, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tiny(make_autoencoder):
    return partial(make_autoencoder, latent_channels=3, linear_shortcut=True)


@torch.no_grad()
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_latents_are_the_lowest_frequencies_of_each_patch(spatial_dims):
    x = image(spatial_dims)
    latents = LinearShortcut(spatial_dims, 1, 1 + spatial_dims, 4).encode(x)
    corner = (0, 0, *(slice(0, 4),) * spatial_dims)
    expected = torch.from_numpy(scipy.fft.dctn(x[corner].numpy(), norm="ortho"))
    origin = (0,) * spatial_dims
    torch.testing.assert_close(latents[(0, 0, *origin)], expected[origin])
    units = [tuple(int(i == axis) for i in range(spatial_dims)) for axis in range(spatial_dims)]
    firsts = torch.stack([expected[unit] for unit in units]).sort().values
    torch.testing.assert_close(latents[(0, slice(1, None), *origin)].sort().values, firsts)


@torch.no_grad()
@pytest.mark.parametrize(("spatial_dims", "channels"), [(2, 1), (2, 3), (3, 1)])
def test_all_frequencies_give_the_image_back(spatial_dims, channels):
    x = image(spatial_dims, channels)
    shortcut = LinearShortcut(spatial_dims, channels, channels * 2**spatial_dims, 2)
    torch.testing.assert_close(shortcut.decode(shortcut.encode(x)), x)


@torch.no_grad()
def test_the_autoencoder_starts_as_the_shortcut(tiny):
    net, x = tiny(3).eval(), image(3)
    expected = net.shortcut.decode(net.shortcut.encode(x))
    torch.testing.assert_close(net.reconstruct(x), expected)
    torch.testing.assert_close(net.decode_stage_2_outputs(net.encode_moments(x)[0]), expected)


def test_every_parameter_gets_a_gradient_after_a_step(tiny):
    """The zeros at the ends of encoder and decoder block other gradients for one step only."""
    net, x = tiny(2), image(2)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        reconstruction, mean, sigma = net(x)
        ((reconstruction - x).abs().mean() + 1e-3 * (mean.square() + sigma).mean()).backward()
        optimizer.step()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


@torch.no_grad()
def test_decoding_in_slabs_takes_the_shortcut_too(tiny):
    net = tiny(3).eval()
    torch.nn.init.normal_(net.decoder.blocks[-1].conv.weight, std=0.1)
    net.set_latent_statistics([0.5, -1.0, 0.1], [2.0, 1.0, 0.3])
    z = torch.randn(2, 3, 6, 4, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        net.decode_stage_2_outputs(z, slab_size=2), net.decode_stage_2_outputs(z), rtol=1e-4, atol=1e-5
    )


def test_more_latents_than_numbers_in_a_patch_are_refused(tiny):
    with pytest.raises(ValueError, match="latent_channels is 5, but a patch of 2 voxels a side has 4 numbers"):
        LinearShortcut(2, 1, 5, 2)
    with pytest.raises(ValueError, match="as many output as input channels, got 1 and 2"):
        tiny(2, in_channels=1, out_channels=2)
