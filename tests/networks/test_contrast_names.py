"""Weights are for the contrasts that they were trained for."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import decode_names, encode_names, match_contrasts


def make_network(*names: str) -> torch.nn.Module:
    network = torch.nn.Module()
    known = encode_names(names) if names else torch.zeros(2, 64, dtype=torch.uint8)
    network.register_buffer("contrast_names", known)
    return network


def test_names_come_back_as_they_were():
    names = ["T1w", "ce-gadolinium_T1w", "Ångström", "x" * 64]
    assert encode_names(names).shape == (4, 64)
    assert decode_names(encode_names(names)) == names
    with pytest.raises(ValueError, match="has more than 64 bytes"):
        encode_names(["x" * 65])


@pytest.mark.parametrize("known", [[], ["T1w", "T2w"]])
def test_a_network_that_fits_or_knows_nothing_is_taken(known):
    network = make_network(*known)
    assert match_contrasts(network, source="T1w", target="T2w") is network
    assert decode_names(network.contrast_names) == ["T1w", "T2w"]


@pytest.mark.parametrize(("source", "target"), [("T2w", "T1w"), ("T1w", "FLAIR")])
def test_a_network_of_other_contrasts_is_refused_until_it_learns(source, target):
    network = make_network("T1w", "T2w")
    with pytest.raises(ValueError, match=f"the weights translate T1w to T2w, not {source} to {target}"):
        match_contrasts(network, source=source, target=target)
    assert decode_names(network.contrast_names) == ["T1w", "T2w"]
    match_contrasts(network, source=source, target=target, learning=True)
    assert decode_names(network.contrast_names) == [source, target]
