from __future__ import annotations

import json

import pytest
import torch
from brain_bundles.evaluation import NetworkMethod
from brain_bundles.evaluation.translation_costs import PeakMemory, measure_costs
from brain_bundles.evaluation.translation_subject import Subject
from monai.inferers import SimpleInferer
from torch import nn

VOXELS = 8**3


@pytest.fixture
def subject() -> Subject:
    return Subject("sub-1", {name: torch.rand(8, 8, 8) for name in ("T1w", "T2w")})


def convolution(channels: int = 1) -> nn.Conv3d:
    return nn.Conv3d(1, channels, 3, padding=1)


def test_costs_are_those_on_paper(subject):
    """A 3x3x3 convolution to 4 channels and a 1x1x1 one back: 27 x 4 and 4 x 1 products per voxel."""
    network = nn.Sequential(convolution(4), nn.Conv3d(4, 1, 1))
    method = NetworkMethod(SimpleInferer(), network, also_runs=[nn.Linear(3, 2), network[0]])
    costs = measure_costs(subject, [("T1w", "T2w")], {"network": method})["network"]
    assert costs.parameters == (27 * 4 + 4) + (4 + 1) + (3 * 2 + 2)  # none of them twice
    assert costs.operations == 2 * VOXELS * (27 * 4 + 4)
    floats = costs.memory / 4 - costs.parameters
    assert 5 * VOXELS <= floats <= 7 * VOXELS  # both convolutions' results, perhaps the clipped one


def test_memory_is_of_tensors_that_are_alive_at_once():
    with PeakMemory() as memory:
        for _ in range(3):
            one = torch.zeros(1000)
            two = one + 1
            view = two[:500]
            view += 1
            del one, two, view
        kept = torch.zeros(500)
    assert memory.peak == 2 * 4000
    assert kept.sum() == 0


def test_a_baseline_of_single_pairs_counts_all_its_networks(subject):
    methods = {
        "pairs": {name: NetworkMethod(SimpleInferer(), convolution()) for name in ("T1w to T2w", "T2w to T1w")},
        "function": lambda source, *, targets, seeds: source,
        "other": {"T1w to FLAIR": NetworkMethod(SimpleInferer(), convolution())},
    }
    costs = measure_costs(subject, [("T1w", "T2w"), ("T2w", "T1w"), ("T1w", "FLAIR")], methods)
    assert list(costs) == ["pairs"]
    assert costs["pairs"].parameters == 2 * 28
    assert costs["pairs"].operations == 2 * 27 * VOXELS
    assert costs["pairs"].memory < 4 * (28 + 4 * VOXELS)


def test_the_report_has_them(compare_one):
    network = convolution()
    report, out = compare_one({"network": NetworkMethod(SimpleInferer(), network)})
    assert report["costs"]["network"]["parameters"] == 28
    assert set(report["costs"]) == {"network"}
    text = (out / "metrics.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| network | 0.00 |"))
    operations = 2 * 27 * 18 * 20 * 16
    assert f"| {operations / 1e9:.2f} |" in row
    assert json.loads((out / "metrics.json").read_text())["costs"]["network"]["operations"] == operations


def test_a_comparison_without_networks_has_no_costs(compare_one):
    report, out = compare_one({"half": lambda source, *, targets, seeds: source / 2})
    assert report["costs"] == {}
    assert "Costs" not in (out / "metrics.md").read_text()
