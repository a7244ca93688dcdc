"""The blocks of MONAI's UNet, found in its nested levels."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.networks.unet_blocks import encoder_blocks, encoder_names
from monai.networks.nets import BasicUNet, UNet


@pytest.mark.parametrize("num_res_units", [0, 2])
def test_blocks_are_those_that_run(num_res_units):
    """Hooks see the same maps, in the same order, as the blocks give one after another."""
    network = UNet(3, 1, 5, (4, 8, 16, 16), (2, 2, 1), num_res_units=num_res_units).eval()
    seen = []
    for block in encoder_blocks(network):
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    network(x)
    assert [one.shape[1] for one in seen] == [4, 8, 16, 16]
    whole = list(seen)
    for block, expected in zip(encoder_blocks(network), whole, strict=True):
        x = block(x)
        torch.testing.assert_close(x, expected)
    assert encoder_names(network)[0] == "model.0"


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="the network is BasicUNet, expected"):
        encoder_names(BasicUNet(3, 1, 2, (4, 4, 4, 4, 4, 4)))
