"""The inserted layers: their computation, and that a new layer changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch
from brain_bundles.utils import load_weights
from brain_mri_slice2volume_translator import (
    SlicewiseDiffusionUNet,
    VolumetricAttention,
    VolumetricConvolution,
    VolumetricDiffusionUNet,
)
from monai.networks.nets import DiffusionModelUNet

LAYOUTS = {
    "two levels": {"channels": [8, 16], "num_res_blocks": 1, "attention_levels": [False, True]},
    "three levels": {"channels": [8, 8, 24], "num_res_blocks": [1, 2, 1], "attention_levels": [True, False, False]},
    "residual up and down": {
        "channels": [8, 16],
        "num_res_blocks": 2,
        "attention_levels": [False, False],
        "resblock_updown": True,
    },
    "cross-attention": {
        "channels": [8, 16],
        "num_res_blocks": 1,
        "attention_levels": [False, True],
        "with_conditioning": True,
        "cross_attention_dim": 3,
    },
    "classes": {
        "channels": [8, 16],
        "num_res_blocks": 1,
        "attention_levels": [False, False],
        "num_class_embeds": 3,
    },
}


def slice_network(layout: str = "two levels") -> DiffusionModelUNet:
    torch.manual_seed(0)
    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=4, out_channels=2, num_head_channels=8, norm_num_groups=4, **LAYOUTS[layout]
    ).eval()
    for parameter in network.parameters():  # MONAI starts some layers at zero, which would hide what is before them
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    return network


def randomise(network: VolumetricDiffusionUNet) -> VolumetricDiffusionUNet:
    for layer in network.volumetric_layers():
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.2)
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_a_new_network_is_the_slice_network_on_every_slice(layout, attention, dtype):
    """To 1e-6 of the largest output in single precision, where rounding is the processor's, and to 1e-12 in double."""
    slices = slice_network(layout).to(dtype)
    volumetric = VolumetricDiffusionUNet(copy.deepcopy(slices), volumetric_attention=attention).eval()
    x, t = torch.randn(2, 4, 5, 8, 12, dtype=dtype), torch.tensor([10.0, 700.0])
    conditions = {
        "cross-attention": {"context": torch.randn(2, 1, 3, dtype=dtype)},
        "classes": {"class_labels": torch.tensor([0, 2])},
    }.get(layout, {})
    each = {name: value.repeat_interleave(5, 0) for name, value in conditions.items()}
    # All slices in one batch, since another batch size sums in another order.
    expected = slices(x.transpose(1, 2).flatten(0, 1), t.repeat_interleave(5), **each)
    expected = expected.reshape(2, 5, 2, 8, 12).transpose(1, 2)
    difference = (volumetric(x, t, **conditions) - expected).abs().max() / expected.abs().max()
    assert difference <= (1e-6 if dtype == torch.float32 else 1e-12)


@torch.no_grad()
def test_a_convolution_is_one_along_the_slices_of_every_pixel():
    layer = VolumetricConvolution(3)
    torch.nn.init.normal_(layer.conv.weight)
    torch.nn.init.normal_(layer.conv.bias)
    layer.num_slices = 5
    x = torch.randn(2 * 5, 3, 4, 6)
    result = layer(x).reshape(2, 5, 3, 4, 6)
    lines = x.reshape(2, 5, 3, 4, 6).permute(0, 3, 4, 2, 1).reshape(-1, 3, 5)  # one 1D problem per pixel
    expected = torch.nn.functional.conv1d(lines, layer.conv.weight[..., 0], layer.conv.bias, padding=1)
    expected = expected.reshape(2, 4, 6, 3, 5).permute(0, 4, 3, 1, 2)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_attention_looks_at_all_slices_of_its_own_pixel_only():
    torch.manual_seed(0)
    layer = VolumetricAttention(8, 2, 4)
    torch.nn.init.normal_(layer.attention.out_proj.weight)
    layer.num_slices = 5
    x = torch.randn(5, 8, 3, 4)
    changed = x.clone()
    changed[4, 0, 1, 2] += 0.5
    layer.norm = torch.nn.Identity()  # its statistics would carry the change to every pixel of the slice
    difference = (layer(changed) - layer(x)).abs().amax(1)  # (slices, H, W)
    assert (difference[:, 1, 2] > 0).all()
    difference[:, 1, 2] = 0
    assert not difference.any()


@torch.no_grad()
def test_trained_layers_mix_the_slices_of_one_volume_and_not_of_another():
    network = randomise(VolumetricDiffusionUNet(slice_network())).eval()
    x, t = torch.randn(2, 4, 6, 8, 8), torch.tensor([10.0, 10.0])
    both = network(x, t)
    torch.testing.assert_close(both[:1], network(x[:1], t[:1]), atol=1e-5, rtol=1e-4)
    shuffled = network(x.flip(2), t).flip(2)
    assert float((shuffled - both).abs().max()) > 1e-3  # a network of slices would not mind


def test_the_slice_networks_weights_keep_their_names_and_values():
    slices = slice_network()
    before = {f"unet.{name}": value.clone() for name, value in slices.state_dict().items()}
    state = VolumetricDiffusionUNet(slices).state_dict()
    assert set(before) < set(state)
    assert all(".volumetric." in name for name in set(state) - set(before) - {"recipe._extra_state"})
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_every_residual_block_has_two_layers():
    slices = slice_network()
    blocks = sum(type(module).__name__ == "DiffusionUNetResnetBlock" for module in slices.modules())
    assert len(VolumetricDiffusionUNet(slices).volumetric_layers()) == 2 * blocks


@torch.no_grad()
def test_the_slicewise_network_takes_slices_and_volumes_alike():
    network = SlicewiseDiffusionUNet(slice_network()).eval()
    x, t = torch.randn(2, 4, 3, 8, 8), torch.tensor([10.0, 700.0])
    volumes = network(x, t)
    for s in range(3):
        torch.testing.assert_close(volumes[:, :, s], network(x[:, :, s], t), atol=1e-5, rtol=1e-5)


def test_a_checkpoint_of_slices_loads_by_name(tmp_path):
    """Every weight of the slices is in the volumetric network, under the same name."""
    slices = SlicewiseDiffusionUNet(slice_network())
    torch.save(slices.state_dict(), tmp_path / "slice_model.pt")
    network = VolumetricDiffusionUNet(slice_network(), volumetric_attention=True)
    state = load_weights(network, tmp_path / "slice_model.pt", without=".volumetric").state_dict()
    assert all(torch.equal(state[name], value) for name, value in slices.state_dict().items())


def test_only_the_volumetric_layers_train_unless_all_do():
    network = VolumetricDiffusionUNet(slice_network())
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert trained
    assert all(".volumetric." in name for name in trained)
    everything = VolumetricDiffusionUNet(slice_network(), train_all=True)
    assert all(value.requires_grad for value in everything.parameters())


def test_gradients_reach_every_volumetric_layer():
    network = VolumetricDiffusionUNet(slice_network(), volumetric_attention=True)
    network(torch.randn(1, 4, 3, 8, 8), torch.tensor([10.0])).square().mean().backward()
    for layer in network.volumetric_layers():
        weight = layer.conv.weight if isinstance(layer, VolumetricConvolution) else layer.attention.out_proj.weight
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0


@torch.no_grad()
@pytest.mark.parametrize("attention", [False, True])
def test_the_slice_network_comes_back_out_of_the_volumetric_one(attention):
    slices = slice_network()
    network = randomise(VolumetricDiffusionUNet(copy.deepcopy(slices), volumetric_attention=attention)).eval()
    network.recipe.values = {"source": "T1w"}
    slices, network = slices.double(), network.double()  # in single precision rounding is the processor's
    x, t = torch.randn(1, 4, 3, 8, 8, dtype=torch.float64), torch.tensor([10.0], dtype=torch.float64)
    before = network(x, t)
    alone = network.to_slices()
    assert float((before[:, :, 1] - slices(x[:, :, 1], t)).abs().max()) > 1e-3
    torch.testing.assert_close(alone(x, t)[:, :, 1], slices(x[:, :, 1], t), atol=1e-6, rtol=1e-6)
    assert alone.state_dict().keys() == SlicewiseDiffusionUNet(slice_network()).state_dict().keys()
    assert alone.recipe.values == network.recipe.values
    assert torch.equal(network(x, t), before)  # which is left as it was


def test_a_copy_of_the_network_is_independent():
    """The moving average is a deep copy; its layers must not share the number of slices, or anything else."""
    network = randomise(VolumetricDiffusionUNet(slice_network())).eval()
    twin = copy.deepcopy(network)
    x = torch.randn(1, 4, 6, 8, 8)
    with torch.no_grad():
        network(torch.randn(1, 4, 3, 8, 8))
        torch.testing.assert_close(twin(x), network(x))


def test_what_is_not_a_slice_network_is_refused():
    with pytest.raises(ValueError, match="Conv2d has no residual block"):
        VolumetricDiffusionUNet(torch.nn.Conv2d(1, 1, 1))
    volume = DiffusionModelUNet(
        3, 1, 1, channels=[8], attention_levels=[False], num_res_blocks=1, num_head_channels=8, norm_num_groups=4
    )
    with pytest.raises(ValueError, match="must have spatial_dims 2"):
        VolumetricDiffusionUNet(volume)
    with pytest.raises(ValueError, match="has volumetric layers already"):
        VolumetricDiffusionUNet(VolumetricDiffusionUNet(slice_network()).unet)
    with pytest.raises(ValueError, match=r"x has shape \(4, 8, 8\), expected volumes"):
        VolumetricDiffusionUNet(slice_network())(torch.zeros(4, 8, 8))
    with pytest.raises(ValueError, match="kernel_size must be odd and positive, got 2"):
        VolumetricConvolution(4, 2)
    with pytest.raises(ValueError, match="num_head_channels 3 does not divide the layer's 8 channels"):
        VolumetricAttention(8, 2, 3)
