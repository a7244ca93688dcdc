"""Curves between two looks: monotone, with fixed ends, and the least squares where points disagree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.transforms.monotone_curve import MonotoneCurve
from scipy.optimize import minimize

GRID = torch.linspace(0, 1, 501)


def test_points_that_rise_are_met_and_both_ends_stay():
    curve = MonotoneCurve.fit([0.6, 0.2, 0.4], [0.7, 0.1, 0.5], [1, 2, 3])
    np.testing.assert_array_equal(curve.points, [[0.2, 0.1], [0.4, 0.5], [0.6, 0.7]])
    made = curve(torch.tensor([[0.2, 0.4, 0.6, 0.0, 1.0, -0.5, 1.5]]))
    assert made.dtype == torch.float32
    torch.testing.assert_close(made, torch.tensor([[0.1, 0.5, 0.7, 0.0, 1.0, 0.0, 1.0]]))
    assert bool((curve(GRID).diff() >= 0).all())


def test_without_points_nothing_changes():
    torch.testing.assert_close(MonotoneCurve([])(GRID), GRID)
    torch.testing.assert_close(MonotoneCurve.fit([], [], [])(GRID), GRID)
    torch.testing.assert_close(MonotoneCurve([[0.3, 0.3], [0.8, 0.8]])(GRID), GRID)


def test_points_in_the_wrong_order_share_their_weighted_mean():
    curve = MonotoneCurve.fit([0.2, 0.4, 0.6, 0.8], [0.3, 0.6, 0.4, 0.7], [1, 3, 1, 1])
    np.testing.assert_allclose(curve.points, [[0.2, 0.3], [0.4, 0.55], [0.6, 0.55], [0.8, 0.7]])
    torch.testing.assert_close(curve(torch.tensor([0.45, 0.5])), torch.full((2,), 0.55))
    same = MonotoneCurve.fit([0.2, 0.5, 0.5], [0.1, 0.2, 0.6], [1, 1, 3])
    np.testing.assert_allclose(same.points, [[0.2, 0.1], [0.5, 0.5]])


def test_the_fit_has_the_smallest_error_of_all_that_do_not_fall():
    rng = np.random.default_rng(0)
    x, weights = np.linspace(0.1, 0.9, 7), rng.uniform(1, 5, 7)
    y = (x + rng.normal(0, 0.2, 7)).clip(0, 1)
    rises = [{"type": "ineq", "fun": lambda v, i=i: v[i + 1] - v[i]} for i in range(6)]
    best = minimize(lambda v: (weights * (v - y) ** 2).sum(), np.full(7, 0.5), constraints=rises, tol=1e-12)
    found = MonotoneCurve.fit(x, y, weights)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_what_is_saved_is_what_is_used():
    rng = np.random.default_rng(1)
    curve = MonotoneCurve.fit(rng.uniform(size=50), rng.uniform(size=50), np.ones(50))
    again = MonotoneCurve(curve.points.tolist())
    assert torch.equal(again(GRID), curve(GRID))
    assert max(len(str(value)) for point in curve.points.tolist() for value in point) <= 7


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0.2, 0.3], [0.2, 0.4]], "expected x to rise and y not to fall"),
        ([[0.2, 0.3], [0.4, 0.2]], "expected x to rise and y not to fall"),
        ([[0.2, 1.3]], r"points reach from 0.2 to 1.3, expected \[0, 1\]"),
        ([[0.2, float("nan")]], r"expected \(N, 2\) finite numbers"),
        ([0.2, 0.3, 0.4], r"points have the shape \(3,\)"),
    ],
)
def test_points_that_are_no_curve(points, message):
    with pytest.raises(ValueError, match=message):
        MonotoneCurve(points)
