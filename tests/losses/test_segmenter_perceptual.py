"""Perceptual loss by a network with the segmenter's form."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.data.brain_classes import class_names
from brain_bundles.losses import make_perceptual_loss
from brain_bundles.losses.segmenter_perceptual import SegmenterPerceptualLoss
from brain_bundles.utils import save_network, with_recipe
from monai.networks.nets import UNet


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = UNet(3, 1, len(class_names()), (4, 8, 16), (2, 2))
    recipe = {"spacing": 2.0, "spatial_size": [32, 32, 32], "intensity_scale": "head_median", "classes": class_names()}
    save_network(with_recipe(network, recipe), tmp_path / "segmenter.pt")
    return tmp_path / "segmenter.pt"


def volumes() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 1, 16, 16, 16, generator=generator), torch.rand(2, 1, 16, 16, 16, generator=generator)


def test_it_is_0_for_equal_volumes_and_grows_with_noise(weights):
    loss = make_perceptual_loss("segmenter", str(weights))
    image, noise = volumes()
    assert float(loss(image, image)) == 0
    values = [float(loss(image + strength * noise, image)) for strength in (0.05, 0.2, 0.8)]
    assert values == sorted(values)
    assert values[0] > 0
    assert float(loss(image, noise)) == pytest.approx(float(loss(noise, image)), rel=1e-5)


def test_the_gradient_reaches_the_volume_and_not_the_network(weights):
    loss = SegmenterPerceptualLoss(weights, num_blocks=2)
    image, target = volumes()
    image.requires_grad_()
    loss(image, target).backward()
    assert float(image.grad.abs().sum()) > 0
    assert all(not parameter.requires_grad for parameter in loss.parameters())
    assert len(loss.blocks) == 2


def test_the_first_block_by_hand(weights):
    loss = SegmenterPerceptualLoss(weights, num_blocks=1)
    image, target = volumes()
    one, two = (torch.nn.functional.normalize(loss.blocks[0](x), dim=1) for x in (image, target))
    torch.testing.assert_close(loss(image, target), (one - two).square().sum(1).mean(), atol=1e-5, rtol=1e-4)


def test_what_cannot_be_compared_is_refused(weights):
    loss = SegmenterPerceptualLoss(weights)
    with pytest.raises(ValueError, match=r"expected two volumes \(B, 1, D, H, W\)"):
        loss(torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 1, 16, 16, 8))
    with pytest.raises(ValueError, match="num_blocks is 9, the segmenter's encoder has 3"):
        SegmenterPerceptualLoss(weights, num_blocks=9)
    with pytest.raises(ValueError, match="spatial_dims is 2"):
        make_perceptual_loss("segmenter", str(weights), spatial_dims=2)


def test_patches_that_are_too_small_are_refused(weights):
    loss = SegmenterPerceptualLoss(weights)
    small = torch.rand(1, 1, *(loss.stride,) * 3)
    with pytest.raises(ValueError, match=f"more than {loss.stride} voxels along a side"):
        loss(small, small)
    larger = torch.rand(1, 1, *(2 * loss.stride,) * 3)
    assert float(loss(larger, larger)) == 0
