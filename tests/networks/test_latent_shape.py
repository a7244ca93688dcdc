from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import check_grid, latent_shape
from monai.networks.nets import DiffusionModelUNet


@pytest.fixture
def autoencoder(make_autoencoder):
    return make_autoencoder(channels=(4, 4, 8), attention_levels=(False,) * 3, num_res_blocks=1, latent_channels=3)


def test_it_is_the_shape_of_what_the_autoencoder_makes(autoencoder):
    mean, _ = autoencoder.encode(torch.zeros(1, 1, 16, 24, 8))
    assert latent_shape(autoencoder, [16, 24, 8]) == list(mean.shape[1:]) == [3, 4, 6, 2]


@pytest.mark.parametrize("size", [[16, 22, 8], [16, 24, 0]])
def test_a_grid_that_does_not_fit_is_named(autoencoder, size):
    with pytest.raises(ValueError, match=r"spatial_size is .* not a multiple of 4"):
        latent_shape(autoencoder, size)


def test_the_grid_of_a_diffusion_network_is_checked_before_it_runs(autoencoder):
    unet = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=3,
        out_channels=3,
        channels=(4, 4, 4),
        attention_levels=(False,) * 3,
        num_res_blocks=1,
        norm_num_groups=2,
        num_head_channels=4,
    )
    check_grid(autoencoder, unet, [16, 48, 32])
    assert unet(torch.zeros(1, 3, 4, 12, 8), torch.zeros(1)).shape == (1, 3, 4, 12, 8)
    with pytest.raises(ValueError, match=r"spatial_size is \[16, 40, 32\], but 40 is not a multiple of 16"):
        check_grid(autoencoder, unet, [16, 40, 32])
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        unet(torch.zeros(1, 3, 4, 10, 8), torch.zeros(1))
    check_grid(autoencoder, torch.nn.Conv3d(3, 3, 1), [16, 40, 32])  # a network that halves nothing
