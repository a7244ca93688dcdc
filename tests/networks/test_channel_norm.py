"""Tests of the norm over channels: by hand, and on parts of a volume."""

import pytest
import torch
from brain_bundles.networks import ChannelNorm, LatentAutoencoderKL, decode_in_slabs, use_norm
from torch import nn


def autoencoder(norm="channel") -> LatentAutoencoderKL:
    torch.manual_seed(0)
    return LatentAutoencoderKL(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        channels=(4, 8),
        num_res_blocks=(1, 1),
        attention_levels=(False, False),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
        norm=norm,
    ).eval()


def test_by_hand_and_beside_pytorch():
    x = torch.tensor([[[3.0], [4.0]]])  # a voxel of two channels, root mean square 3.5355
    norm = ChannelNorm(2, eps=0.0)
    torch.testing.assert_close(norm(x), x / 12.5**0.5)
    volume, norm = torch.randn(2, 6, 3, 4, 5), ChannelNorm(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    peer = nn.functional.rms_norm(volume.movedim(1, -1), (6,), norm.weight, norm.eps) + norm.bias
    torch.testing.assert_close(norm(volume), peer.movedim(-1, 1))


def test_every_group_norm_is_replaced():
    assert not any(isinstance(part, nn.GroupNorm) for part in autoencoder().modules())
    assert any(isinstance(part, ChannelNorm) for part in autoencoder().modules())
    assert not any(isinstance(part, ChannelNorm) for part in autoencoder("group").modules())
    with pytest.raises(ValueError, match="norm is 'batch', allowed are group, channel"):
        use_norm(nn.Identity(), "batch")


@pytest.mark.parametrize(("norm", "alike"), [("channel", True), ("group", False)])
def test_a_patch_is_encoded_as_in_the_whole(norm, alike):
    """What training on patches needs: beyond the reach of the convolutions, surroundings do not matter."""
    network, volume = autoencoder(norm), torch.rand(1, 1, 48, 16, 16)
    volume[:, :, 24:] *= 5
    with torch.no_grad():
        whole, patch = network.encode(volume)[0], network.encode(volume[:, :, :24])[0]
    assert torch.allclose(whole[:, :, :4], patch[:, :, :4], atol=1e-5) == alike


def test_slabs_are_the_plain_decoder():
    network, z = autoencoder(), torch.randn(2, 2, 7, 4, 3)
    with torch.no_grad():
        torch.testing.assert_close(decode_in_slabs(network.decoder, z, 3), network.decoder(z))
