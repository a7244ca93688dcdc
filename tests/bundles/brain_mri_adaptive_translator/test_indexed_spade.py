"""MS-SPADE with a tensor as target gives what it gives with a number."""

from __future__ import annotations

import pytest
import torch
from brain_mri_adaptive_translator import MSSPADE
from brain_mri_adaptive_translator.indexed_spade import IndexedMSSPADE


@pytest.fixture(params=[1, 3])
def ms_spade(request) -> MSSPADE:
    torch.manual_seed(0)
    network = MSSPADE(3, 4, channels=(6,), hidden_channels=5, kernel_size=request.param)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    network.channel_std.copy_(torch.tensor([0.5, 1.0, 2.0, 4.0]))
    return network.eval().requires_grad_(False)


def test_every_target_gives_the_same(ms_spade):
    z = torch.randn(2, 4, 5, 6, 7, generator=torch.Generator().manual_seed(1))
    indexed = IndexedMSSPADE(ms_spade)
    results = []
    for target in range(3):
        results.append(indexed(z, torch.tensor([target])))
        torch.testing.assert_close(results[-1], ms_spade(z, [target, target]))
    assert float((results[0] - results[2]).abs().max()) > 0.1


def test_it_has_the_weights_once_and_leaves_the_network_alone(ms_spade):
    before = {name: value.clone() for name, value in ms_spade.state_dict().items()}
    indexed = IndexedMSSPADE(ms_spade)
    assert sum(p.numel() for p in indexed.parameters()) == sum(p.numel() for p in ms_spade.parameters())
    for parameter in indexed.parameters():
        parameter.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in ms_spade.state_dict().items())


def test_a_target_that_is_none_is_an_error(ms_spade):
    with pytest.raises(IndexError, match="index out of range"):
        IndexedMSSPADE(ms_spade)(torch.zeros(1, 4, 5, 6, 7), torch.tensor([3]))
