from __future__ import annotations

import pytest
import torch
from brain_bundles.utils.memory_format import (
    resolve_channels_last,
    set_channels_last,
    to_device,
    to_memory_format,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("channels_last", "precision", "device", "expected"),
    [
        (None, "fp32", CPU, False),
        (None, "bf16", CPU, True),
        (None, "fp32", CUDA, True),
        (False, "bf16", CUDA, False),
        (True, "fp32", CPU, True),
    ],
)
def test_none_chooses_by_device_and_precision(channels_last, precision, device, expected):
    assert resolve_channels_last(channels_last, precision, device) is expected


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_values_stay(shape):
    x = torch.randn(shape)
    last = to_memory_format(x, True)
    assert last.stride(1) == 1
    assert torch.equal(last, x)
    assert to_memory_format(last, False).is_contiguous()


def test_weights_are_put_in_place_and_stay_trainable():
    network = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 3), torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 5))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weight = network[0].weight
    with torch.inference_mode():
        set_channels_last(network)
    assert network[0].weight is weight
    assert weight.stride(1) == network[1].weight.stride(1) == 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network[0](torch.zeros(1, 2, 4, 4, 4)).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(("precision", "last"), [("fp32", False), ("bf16", True)])
def test_a_network_comes_to_a_device_with_the_channels_that_are_faster(precision, last):
    network = to_device(torch.nn.Conv3d(4, 4, 3), "cpu", precision)
    assert (network.weight.stride(1) == 1) == last
