"""The plain forward pass, in the requested precision, with a float32 result."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import AutocastInferer
from monai.data import MetaTensor


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_network_computes_in_the_precision(precision, dtype):
    network, seen = torch.nn.Linear(3, 2), []
    network.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    result = AutocastInferer(precision)(x, network)
    assert (result.dtype, seen) == (torch.float32, [dtype])
    torch.testing.assert_close(result, network(x), atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(("precision", "last"), [("fp32", False), ("bf16", True)])
def test_channels_are_last_where_that_is_faster(precision, last):
    seen = []
    AutocastInferer(precision)(MetaTensor(torch.ones(1, 4, 3, 3, 3)), lambda x: seen.append(x.stride(1)) or x)
    assert (seen[0] == 1) == last


def test_further_arguments_reach_the_network():
    assert float(AutocastInferer()(torch.ones(1), lambda x, y, *, z: x + y + z, 2, z=3)) == 6


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'half'; allowed: fp32, bf16, fp16, auto"):
        AutocastInferer("half")
