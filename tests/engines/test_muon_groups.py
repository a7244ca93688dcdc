"""Division of the parameters between Muon and AdamW."""

from __future__ import annotations

import torch
from brain_bundles.engines import Muon, muon_groups
from brain_bundles.networks import LatentAutoencoderKL


def test_matrices_are_muons_and_what_is_frozen_nobodys():
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.GroupNorm(1, 2), torch.nn.Linear(2, 2))
    network[2].requires_grad_(False)
    matrices, others = muon_groups(network, 0.4)
    assert (matrices["use_muon"], matrices["lr"]) == (True, 0.4)
    assert [one is network[0].weight for one in matrices["params"]] == [True]
    assert (others["use_muon"], others["lr"]) == (False, 0.1)
    assert [id(one) for one in others["params"]] == [id(network[0].bias), id(network[1].weight), id(network[1].bias)]
    before = [one.detach().clone() for one in network.parameters()]
    network(torch.ones(1, 1, 3, 3, 4)).square().sum().backward()
    Muon(muon_groups(network, 0.4), use_adjusted_lr=True).step()
    changed = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
    assert changed == [True, True, True, True, False, False]


def test_edges_of_an_autoencoder_are_adamws():
    autoencoder = LatentAutoencoderKL(
        3,
        channels=[8, 8],
        num_res_blocks=[1, 1],
        attention_levels=[False, False],
        norm_num_groups=4,
        linear_shortcut=True,
    )
    matrices, others = muon_groups(autoencoder, 0.4, autoencoder.edges)
    names = {id(one): name for name, one in autoencoder.named_parameters()}
    by_muon, by_adamw = ({names[id(one)] for one in group["params"]} for group in (matrices, others))
    assert len(by_muon) + len(by_adamw) == len(names)
    shapes = {name: tuple(one.shape) for name, one in autoencoder.named_parameters()}
    firsts = {
        name for name in names.values() if len(shapes[name]) > 1 and (shapes[name][1] == 1 or shapes[name][0] == 1)
    }
    assert firsts <= by_adamw
    assert {name for name in by_adamw if name.startswith(("quant", "post_quant", "shortcut"))}
    assert "decoder.blocks.1.conv1.conv.weight" in by_muon
