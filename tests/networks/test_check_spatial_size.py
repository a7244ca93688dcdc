"""Grids that a network does not take are named before anything is read."""

from __future__ import annotations

import pytest
from brain_bundles.networks import check_spatial_size
from monai.networks.nets import UNet
from torch import nn


def test_a_grid_that_passes_and_one_that_does_not():
    network = UNet(3, 1, 5, (4, 8, 16), (2, 2))
    check_spatial_size(network, (16, 20, 24), 5)
    with pytest.raises(ValueError, match=r"spatial_size is \[16, 18, 24\], which does not pass through UNet"):
        check_spatial_size(network, (16, 18, 24), 5)
    with pytest.raises(ValueError, match="network_def gives 5 channels, expected one for each of 19 classes"):
        check_spatial_size(network, (16, 20, 24), 19)
    assert next(network.parameters()).device.type == "cpu"


def test_a_network_that_gives_another_grid():
    with pytest.raises(ValueError, match=r"gives \(4, 4, 4\) voxels for spatial_size \[8, 8, 8\]"):
        check_spatial_size(nn.Conv3d(1, 2, 2, stride=2), (8, 8, 8), 2)
