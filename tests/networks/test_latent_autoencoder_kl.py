from __future__ import annotations

import itertools

import pytest
import torch
from brain_bundles.networks import LatentAutoencoderKL, latent_shape
from monai.inferers import LatentDiffusionInferer
from monai.networks.nets import AutoencoderKL
from monai.networks.schedulers import DDIMScheduler

MEAN, STD = [0.5, -2.0], [3.0, 0.25]


def tiny(spatial_dims: int = 3, cls: type[AutoencoderKL] = LatentAutoencoderKL) -> AutoencoderKL:
    torch.manual_seed(0)
    return cls(
        spatial_dims=spatial_dims,
        channels=(4, 8),
        attention_levels=(False, False),
        num_res_blocks=1,
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval()


def image(spatial_dims: int, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, *(8,) * spatial_dims, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_moments_are_the_raw_ones_shifted_and_scaled(spatial_dims):
    net = tiny(spatial_dims)
    net.set_latent_statistics(MEAN, STD)
    x = image(spatial_dims)
    raw_mean, raw_sigma = net.encode(x)
    mean, sigma = net.encode_moments(x)
    for channel in range(2):
        torch.testing.assert_close(mean[:, channel], (raw_mean[:, channel] - MEAN[channel]) / STD[channel])
        torch.testing.assert_close(sigma[:, channel], raw_sigma[:, channel] / STD[channel])


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_stage_2_methods_are_inverse_to_each_other(spatial_dims):
    """Decoding the normalised mean gives what plain decoding of the raw mean gives."""
    net = tiny(spatial_dims)
    net.set_latent_statistics(MEAN, STD)
    x = image(spatial_dims)
    decoded = net.decode_stage_2_outputs(net.encode_moments(x)[0])
    torch.testing.assert_close(decoded, net.reconstruct(x), rtol=1e-4, atol=1e-5)  # float32, one division more


def test_measured_statistics_give_unit_latents():
    net = tiny()
    x = image(3, batch=4)
    raw = net.encode(x)[0]
    net.set_latent_statistics(raw.mean((0, 2, 3, 4)), raw.std((0, 2, 3, 4)))
    mean = net.encode_moments(x)[0]
    torch.testing.assert_close(mean.mean((0, 2, 3, 4)), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(mean.std((0, 2, 3, 4)), torch.ones(2), rtol=0, atol=1e-4)


def test_encode_stage_2_inputs_draws_from_the_posterior():
    net = tiny()
    net.set_latent_statistics(MEAN, STD)
    x = image(3)
    mean, sigma = net.encode_moments(x)
    torch.manual_seed(5)
    drawn = net.encode_stage_2_inputs(x)
    torch.manual_seed(5)
    torch.testing.assert_close(drawn, mean + sigma * torch.randn_like(sigma))


def test_default_statistics_and_raw_methods_equal_the_parent():
    net, parent = tiny(), tiny(cls=AutoencoderKL)
    weights = {k: v for k, v in net.state_dict().items() if not k.startswith(("latent_", "recipe."))}
    parent.load_state_dict(weights, strict=True)
    x = image(3)
    z = parent.encode(x)[0]
    torch.testing.assert_close(net.decode_stage_2_outputs(z), parent.decode_stage_2_outputs(z), rtol=0, atol=0)
    net.set_latent_statistics(MEAN, STD)
    torch.testing.assert_close(net.encode(x), parent.encode(x), rtol=0, atol=0)
    torch.testing.assert_close(net.decode(z), parent.decode(z), rtol=0, atol=0)


def test_the_posterior_starts_narrow():
    """exp(-6 / 2) is 0.05: noise that does not hide the image from an untrained decoder."""
    sigma = tiny().encode(image(3))[1]
    assert 0.02 < float(sigma.mean()) < 0.1


def test_statistics_travel_in_the_state_dict():
    net, other = tiny(), tiny()
    net.set_latent_statistics(MEAN, 2.0)
    other.load_state_dict(net.state_dict(), strict=True)
    assert other.latent_mean.tolist() == MEAN
    assert other.latent_std.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="latent_mean"):
        tiny().load_state_dict(tiny(cls=AutoencoderKL).state_dict(), strict=True)


def test_monai_latent_inferer_needs_no_scale_factor():
    net = tiny()
    net.set_latent_statistics(MEAN, STD)
    scheduler = DDIMScheduler(num_train_timesteps=10, clip_sample=False)
    scheduler.set_timesteps(2)
    inferer = LatentDiffusionInferer(scheduler=scheduler, scale_factor=1.0)
    noise = torch.randn(1, 2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    seen = []

    class Zero(torch.nn.Module):
        def forward(self, x, timesteps, context=None):
            seen.append(x)
            return torch.zeros_like(x)

    result = inferer.sample(
        input_noise=noise, autoencoder_model=net, diffusion_model=Zero(), scheduler=scheduler, verbose=False
    )
    last = scheduler.step(torch.zeros_like(noise), scheduler.timesteps[-1], seen[-1])[0]
    torch.testing.assert_close(result, net.decode_stage_2_outputs(last))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.0, 0.0, 0.0], 1.0, "latent mean has 3 values, the autoencoder has 2 latent channels"),
        (0.0, [1.0, 0.0], r"latent std must be positive, got \[1.0, 0.0\]"),
        (float("nan"), 1.0, "latent mean must be finite"),
    ],
)
def test_bad_statistics_are_refused_and_change_nothing(mean, std, message):
    net = tiny()
    with pytest.raises(ValueError, match=message):
        net.set_latent_statistics(mean, std)
    assert net.latent_mean.tolist() == [0.0, 0.0]
    assert net.latent_std.tolist() == [1.0, 1.0]


SMALL = {
    "channels": (4, 8),
    "attention_levels": (False, False),
    "num_res_blocks": 1,
    "latent_channels": 2,
    "norm_num_groups": 2,
    "with_encoder_nonlocal_attn": False,
    "with_decoder_nonlocal_attn": False,
}


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("linear_shortcut", [False, True])
def test_voxels_of_patches_are_channels_of_a_coarser_grid(spatial_dims, linear_shortcut):
    """The network on patches equals MONAI's network on channels that were taken apart by hand."""
    torch.manual_seed(0)
    options = {**SMALL, "spatial_dims": spatial_dims}
    net = LatentAutoencoderKL(**options, patch_size=2, linear_shortcut=linear_shortcut).eval()
    x = image(spatial_dims)
    mean, _ = net.encode(x)
    assert mean.shape[2:] == (2,) * spatial_dims
    assert latent_shape(net, x.shape[2:]) == list(mean.shape[1:])
    assert net.decode(mean).shape == x.shape
    if linear_shortcut:
        return
    plain = AutoencoderKL(**options, in_channels=2**spatial_dims, out_channels=2**spatial_dims).eval()
    plain.load_state_dict(net.state_dict(), strict=False)
    corners = list(itertools.product((0, 1), repeat=spatial_dims))
    parts = torch.cat([x[(..., *(slice(start, None, 2) for start in corner))] for corner in corners], dim=1)
    torch.testing.assert_close(mean, plain.encode(parts)[0])
    decoded = torch.zeros_like(x)
    for channel, corner in enumerate(corners):
        voxels = (..., *(slice(start, None, 2) for start in corner))
        decoded[voxels] = plain.decode(mean)[:, channel : channel + 1]
    torch.testing.assert_close(net.decode(mean), decoded)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_refinement_begins_at_zero_and_works_on_whole_images(spatial_dims):
    options = {**SMALL, "spatial_dims": spatial_dims, "norm": "channel", "patch_size": 2}
    net = LatentAutoencoderKL(**options, refinement_channels=3).eval()
    plain = LatentAutoencoderKL(**options).eval()
    plain.load_state_dict({key: value for key, value in net.state_dict().items() if "refinement" not in key})
    z = torch.randn(1, 2, *(4,) * spatial_dims, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net.decode(z), plain.decode(z))
    assert net.refinement is not None
    torch.nn.init.normal_(net.refinement[2].conv.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    image = plain.decode(z)
    torch.testing.assert_close(net.decode(z), image + net.refinement(image))
    if spatial_dims == 3:
        torch.testing.assert_close(net.decode_stage_2_outputs(z, slab_size=1), net.decode_stage_2_outputs(z))
