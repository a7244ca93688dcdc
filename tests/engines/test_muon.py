"""Muon computes in a precision that the processor has."""

from __future__ import annotations

import pytest
import pytorch_optimizer
import torch
from brain_bundles.engines import Muon, muon, muon_groups


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Conv2d(16, 4, 3))


def trained(optimizer: type) -> list[torch.Tensor]:
    one = network()
    steps = optimizer(muon_groups(one, 0.02), use_adjusted_lr=True)
    for seed in range(3):
        torch.manual_seed(seed)
        steps.zero_grad()
        one(torch.randn(2, 3, 8, 8)).square().mean().backward()
        steps.step()
    return [parameter.detach() for parameter in one.parameters()]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_matrices_are_made_orthogonal_in_the_processors_precision(monkeypatch, precision, dtype):
    used = []
    base = pytorch_optimizer.optimizer.muon.base
    exact = base.zero_power_via_newton_schulz_5

    def watched(matrix, **options):
        used.append(options.get("dtype", torch.bfloat16))
        return exact(matrix, **options)

    monkeypatch.setattr(base, "zero_power_via_newton_schulz_5", watched)
    monkeypatch.setattr(muon, "zero_power_via_newton_schulz_5", watched)
    monkeypatch.setattr(muon, "resolve_precision", lambda *_: precision)
    trained(Muon)
    assert set(used) == {dtype}


def test_steps_are_those_of_the_library_but_for_rounding(monkeypatch):
    monkeypatch.setattr(muon, "resolve_precision", lambda *_: "fp32")
    for begun, ours, theirs in zip(network().parameters(), trained(Muon), trained(pytorch_optimizer.Muon), strict=True):
        moved = (theirs - begun.detach()).norm()
        assert float((ours - theirs).norm()) < 0.02 * float(moved)
