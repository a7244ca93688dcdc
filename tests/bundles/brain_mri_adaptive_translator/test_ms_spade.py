"""The switchable normalisation: the result of a layer, the effect of the switch, and the independence of samples."""

from __future__ import annotations

import copy

import pytest
import torch
from brain_mri_adaptive_translator import MSSPADE, MSSPADEBlock, SelfModulatedSPADE, SwitchableSPADE


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = MSSPADE(num_contrasts=4, latent_channels=3, channels=(8, 6), hidden_channels=5)
    for block in network.blocks:  # untrained they are 0, and every target gives the same
        torch.nn.init.normal_(block.conv2.weight, std=0.05)
    return network.eval()


@pytest.fixture
def latents():
    return torch.randn(6, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_layer_normalises_each_instance_and_modulates_by_the_feature():
    torch.manual_seed(0)
    layer = SelfModulatedSPADE(3, 4)
    x = torch.randn(2, 3, 4, 4, 4)
    mean, variance = x.mean((2, 3, 4), keepdim=True), x.var((2, 3, 4), unbiased=False, keepdim=True)
    features = torch.relu(layer.shared[0](x))
    expected = (x - mean) / (variance + 1e-5).sqrt() * (1 + layer.gamma(features)) + layer.beta(features)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_every_sample_goes_through_the_layer_of_its_target():
    torch.manual_seed(0)
    layer = SwitchableSPADE(3, 2, hidden_channels=4)
    x, targets = torch.randn(5, 2, 4, 4, 4), [2, 0, 2, 1, 0]
    result = layer(x, targets)
    for i, target in enumerate(targets):
        torch.testing.assert_close(result[i : i + 1], layer.bank[target](x[i : i + 1]), atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_a_batch_of_mixed_targets_is_its_samples_one_by_one(network, latents):
    targets = [3, 0, 1, 0, 2, 3]
    batch = network(latents, targets)
    single = torch.cat([network(latents[i : i + 1], [target]) for i, target in enumerate(targets)])
    torch.testing.assert_close(batch, single, atol=1e-6 * float(single.abs().max()), rtol=0)
    batch = network.double()(latents.double(), targets)
    single = torch.cat([network(latents[i : i + 1].double(), [target]) for i, target in enumerate(targets)])
    torch.testing.assert_close(batch, single, atol=1e-12 * float(single.abs().max()), rtol=0)


@torch.no_grad()
def test_a_batch_takes_one_pass_per_target_and_layer(network, latents):
    passes = {name: [] for name, module in network.named_modules() if isinstance(module, SelfModulatedSPADE)}
    for name, sizes in passes.items():
        network.get_submodule(name).register_forward_hook(lambda _, x, __, sizes=sizes: sizes.append(len(x[0])))
    network(latents, [3, 0, 1, 0, 3, 3])
    expected = {"0": [2], "1": [1], "2": [], "3": [3]}
    assert passes == {name: expected[name.rpartition(".")[2]] for name in passes}


@torch.no_grad()
def test_no_value_is_read_back_from_the_device(network, latents):
    """Tensors on the meta device have no values, so reading one on the host is an error there."""
    mixed = torch.zeros_like(latents, device="meta")
    assert copy.deepcopy(network).to("meta")(mixed, [3, 0, 1, 0, 3, 3]).shape == latents.shape
    with pytest.raises(RuntimeError, match="meta"):
        mixed.max().item()


@torch.no_grad()
def test_targets_may_be_a_tensor(network, latents):
    targets = [3, 0, 1, 0, 2, 3]
    assert torch.equal(network(latents, torch.tensor(targets)), network(latents, targets))


@torch.no_grad()
def test_the_target_changes_the_result(network, latents):
    results = [network(latents, [target] * 6) for target in range(4)]
    for i in range(4):
        for j in range(i):
            assert float((results[i] - results[j]).abs().max()) > 1e-3


def test_only_the_layers_of_the_targets_in_the_batch_get_a_gradient(network, latents):
    network(latents, [1, 1, 3, 3, 1, 1]).square().mean().backward()
    for block in network.blocks:
        for norm in (block.norm1, block.norm2):
            used = [layer.beta.weight.grad is not None for layer in norm.bank]
            assert used == [False, True, False, True]


def test_every_weight_gets_a_gradient_when_all_targets_are_there(network, latents):
    network(latents, [0, 1, 2, 3, 0, 1]).square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in network.parameters())


@torch.no_grad()
def test_an_untrained_block_is_its_skip(latents):
    torch.testing.assert_close(MSSPADEBlock(2, 3, 3)(latents, [0, 1] * 3), latents, atol=0, rtol=0)
    block = MSSPADEBlock(2, 3, 5)
    torch.testing.assert_close(block(latents, [0, 1] * 3), block.skip(latents), atol=0, rtol=0)


@torch.no_grad()
def test_an_untrained_network_of_one_width_gives_back_what_it_gets(latents):
    network = MSSPADE(2, 3, (3, 3), middle_channels=8)
    network.channel_std.copy_(torch.tensor([0.5, 2.0, 4.0]))
    torch.testing.assert_close(network(latents, [0, 1] * 3), latents, atol=0, rtol=0)


def test_widths_and_kernels_are_those_asked_for():
    network = MSSPADE(2, 3, (8,), middle_channels=16, hidden_channels=5, kernel_size=1)
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters() if value.ndim == 5}
    assert shapes["blocks.0.conv1.weight"] == (16, 3, 3, 3, 3)
    assert shapes["blocks.1.conv2.weight"] == (3, 16, 3, 3, 3)
    assert shapes["blocks.1.norm1.bank.1.shared.0.weight"] == (5, 8, 1, 1, 1)
    assert shapes["blocks.0.norm2.bank.0.gamma.weight"] == (16, 5, 1, 1, 1)


@torch.no_grad()
def test_a_layer_of_kernel_size_1_is_a_function_of_each_voxel_and_the_statistics(latents):
    torch.manual_seed(0)
    layer = SelfModulatedSPADE(3, 4, kernel_size=1)
    order = torch.randperm(4 * 5 * 6)
    shuffled = latents.flatten(2)[:, :, order].view_as(latents)
    torch.testing.assert_close(
        layer(shuffled), layer(latents).flatten(2)[:, :, order].view_as(latents), atol=1e-5, rtol=1e-5
    )


def test_the_skip_is_a_convolution_only_where_widths_differ():
    assert isinstance(MSSPADEBlock(2, 4, 4).skip, torch.nn.Identity)
    assert MSSPADEBlock(2, 4, 8).skip.kernel_size == (1, 1, 1)


def test_bad_arguments_are_refused(network, latents):
    with pytest.raises(ValueError, match="num_contrasts is 1; a translation needs two"):
        MSSPADE(1, 3)
    with pytest.raises(ValueError, match=r"channels is \[\], expected at least one positive width"):
        MSSPADE(2, 3, ())
    with pytest.raises(ValueError, match="kernel_size is 2, expected an odd number"):
        MSSPADE(2, 3, kernel_size=2)
    with pytest.raises(ValueError, match="got 1 targets for 6 latents"):
        network(latents, [0])
    with pytest.raises(ValueError, match="target 4 is out of range; there are contrasts 0 to 3"):
        network(latents, [0, 1, 2, 3, 4, 0])
