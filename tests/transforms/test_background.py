"""The brain of a brain-extracted volume, and the background that is exactly 0."""

from __future__ import annotations

import torch
from brain_bundles.transforms import foreground


def ball(centre: int, radius: float) -> torch.Tensor:
    axes = torch.meshgrid(*[torch.arange(24.0)] * 3, indexing="ij")
    return (sum((axis - centre) ** 2 for axis in axes) < radius**2)[None]


def test_the_largest_piece_with_its_holes_is_the_brain():
    brain, ventricle, speck = ball(12, 8.0), ball(12, 2.5), ball(1, 1.5)
    volume = 0.5 * (brain & ~ventricle).float() + 0.9 * speck.float()
    torch.testing.assert_close(foreground(volume), brain)


def test_traces_below_the_threshold_are_background():
    brain = ball(12, 8.0)
    traces = 0.03 * torch.rand(1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(foreground(traces.where(~brain, torch.tensor(0.4)), 0.04), brain)
    assert foreground(traces).float().mean() > 0.99  # each trace is above 0


def test_a_volume_without_background_is_all_foreground_and_an_empty_one_too():
    assert foreground(torch.full((1, 4, 5, 6), 0.1)).all()
    assert foreground(torch.zeros(1, 4, 5, 6)).all()
