"""Tests of the norm over channels: by hand, and on parts of a volume."""

import pytest
import torch
from brain_bundles.networks import ChannelNorm, decode_in_slabs, use_norm
from torch import nn


def test_by_hand_and_beside_pytorch():
    x = torch.tensor([[[3.0], [4.0]]])  # a voxel of two channels, root mean square 3.5355
    norm = ChannelNorm(2, eps=0.0)
    torch.testing.assert_close(norm(x), x / 12.5**0.5)
    volume, norm = torch.randn(2, 6, 3, 4, 5), ChannelNorm(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    peer = nn.functional.rms_norm(volume.movedim(1, -1), (6,), norm.weight, norm.eps) + norm.bias
    torch.testing.assert_close(norm(volume), peer.movedim(-1, 1))


def test_every_group_norm_is_replaced(make_autoencoder):
    assert not any(isinstance(part, nn.GroupNorm) for part in make_autoencoder(norm="channel").modules())
    assert any(isinstance(part, ChannelNorm) for part in make_autoencoder(norm="channel").modules())
    assert not any(isinstance(part, ChannelNorm) for part in make_autoencoder(norm="group").modules())
    with pytest.raises(ValueError, match="norm is 'batch', allowed are group, channel"):
        use_norm(nn.Identity(), "batch")


@pytest.mark.parametrize(("norm", "alike"), [("channel", True), ("group", False)])
def test_a_patch_is_encoded_as_in_the_whole(make_autoencoder, norm, alike):
    """What training on patches needs: beyond the reach of the convolutions, surroundings do not matter."""
    network, volume = make_autoencoder(norm=norm).eval(), torch.rand(1, 1, 48, 16, 16)
    volume[:, :, 24:] *= 5
    with torch.no_grad():
        whole, patch = network.encode(volume)[0], network.encode(volume[:, :, :24])[0]
    assert torch.allclose(whole[:, :, :4], patch[:, :, :4], atol=1e-5) == alike


def test_slabs_are_the_plain_decoder(make_autoencoder):
    network, z = make_autoencoder(norm="channel").eval(), torch.randn(2, 2, 7, 4, 3)
    with torch.no_grad():
        torch.testing.assert_close(decode_in_slabs(network.decoder, z, 3), network.decoder(z))
