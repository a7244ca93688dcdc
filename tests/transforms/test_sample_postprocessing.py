"""A sample becomes an image of its grid, within [0, 1]."""

from __future__ import annotations

import torch
from brain_bundles.data import grid_affine
from brain_bundles.transforms import sample_postprocessing

SIZE = (6, 7, 8)


def sample() -> torch.Tensor:
    """Traces of 0.03 around a block of 1.2, whose corner overshoots below 0."""
    volume = torch.full((1, *SIZE), 0.03)
    volume[:, 1:5, 2:6, 2:6] = 1.2
    volume[0, 1, 2, 2] = -0.1
    return volume


def test_traces_around_the_brain_and_values_beyond_the_range_go():
    item = {"pred": sample(), "age": 70}
    made = sample_postprocessing(2.5, SIZE)(item)
    expected = torch.zeros(1, *SIZE)
    expected[:, 1:5, 2:6, 2:6] = 1
    expected[0, 1, 2, 2] = 0
    assert torch.equal(made["pred"].as_tensor(), expected)
    assert made["age"] == 70
    assert torch.equal(item["pred"], sample())
    assert torch.equal(made["pred"].affine, torch.from_numpy(grid_affine(2.5, SIZE)))


def test_without_a_background_only_the_range_is_kept():
    made = sample_postprocessing(2.5, SIZE, background=None, pred_key="made")({"made": sample()})["made"]
    assert torch.equal(made.as_tensor(), sample().clamp(0, 1))
