"""Random fields and flows against exact answers."""

from __future__ import annotations

import math

import torch
from brain_bundles.phantom.deformation import flow, random_field, sample_at
from brain_bundles.utils.seeding import generator_for


def test_sampling_a_linear_volume_is_exact_between_voxels():
    d, h, w = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in (6, 7, 8)), indexing="ij")
    volume = (2 * d - 3 * h + 5 * w)[None]
    points = torch.tensor([[[[1.5, 2.25, 3.75], [4.0, 5.5, 6.9]]]])
    expected = 2 * points[..., 0] - 3 * points[..., 1] + 5 * points[..., 2]
    torch.testing.assert_close(sample_at(volume, points)[0], expected, atol=1e-4, rtol=0)  # float32 coordinates


def test_outside_of_the_volume_is_zero():
    assert float(sample_at(torch.ones(1, 4, 4, 4), torch.full((1, 1, 1, 3), 20.0))) == 0.0


def test_a_subsampled_volume_is_sampled_in_the_same_coordinates():
    d = torch.arange(0, 12, 2, dtype=torch.float32)
    volume = d[:, None, None].expand(6, 6, 6)[None]
    assert float(sample_at(volume, torch.full((1, 1, 1, 3), 5.0), step=2)) == 5.0


def test_random_field_has_unit_variance_and_is_reproducible():
    fields = [
        random_field((20, 24, 20), channels=50, spacing=2.0, knot_spacing=10.0, generator=generator_for(s))
        for s in (3, 3, 4)
    ]
    torch.testing.assert_close(fields[0], fields[1], atol=0, rtol=0)
    assert not torch.equal(fields[0], fields[2])
    assert abs(float(fields[0].std()) - 1.0) < 0.1  # about 50 x 40 independent knots


def test_random_field_is_smooth_over_its_knots():
    field = random_field((40, 4, 4), channels=1, spacing=1.0, knot_spacing=20.0, generator=generator_for(0))[0]
    assert float(field.diff(dim=0).abs().max()) < 0.2  # a step of a twentieth of a knot


def test_flow_along_a_linear_field_is_the_exponential():
    """Velocity v(x) = (x - 10) / 10 about voxel 10: x(t) - 10 = (x(0) - 10) exp(t / 10)."""
    axis = (torch.arange(21, dtype=torch.float32) - 10) / 10
    velocity = torch.zeros(3, 21, 21, 21)
    velocity[0] = axis[:, None, None]
    start = torch.tensor([[[[12.0, 10.0, 10.0]]]])
    end = flow(start, velocity, 6.0, step=1, max_step_mm=0.5)
    assert math.isclose(float(end[0, 0, 0, 0]), 10 + 2 * math.exp(0.6), abs_tol=1e-3)  # second order, step 0.5 of 10
    back = flow(end, velocity, -6.0, step=1, max_step_mm=0.5)
    torch.testing.assert_close(back, start, atol=2e-3, rtol=0)


def test_no_time_means_no_motion():
    points = torch.rand(2, 2, 2, 3)
    assert flow(points, torch.ones(3, 4, 4, 4), 0.0, step=1) is points
