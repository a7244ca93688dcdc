"""Partial correlation: the formula of three correlations is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.metrics.partial_correlation import partial_correlation


def test_it_is_that_of_the_formula_for_one_other_quantity():
    z = np.random.default_rng(0).normal(size=200)
    x, y = z + np.random.default_rng(1).normal(size=200), z + np.random.default_rng(2).normal(size=200)
    r = np.corrcoef([x, y, z])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(x, y, z) == pytest.approx(expected, abs=1e-12)
    assert abs(expected) < 0.2 < r[0, 1]


def test_it_does_not_depend_on_scale_and_is_undefined_without_a_rest():
    rng = np.random.default_rng(3)
    x, y, given = rng.normal(size=50), rng.normal(size=50), rng.normal(size=(50, 2))
    assert partial_correlation(3 * x + 1, y, given @ [[2, 1], [0, 1]]) == pytest.approx(
        partial_correlation(x, y, given)
    )
    assert np.isnan(partial_correlation(given[:, 0], y, given))


def test_too_few_people_are_refused():
    with pytest.raises(ValueError, match=r"expected equal numbers, and more than K \+ 2"):
        partial_correlation([1, 2, 3], [1, 2, 4], [[1], [2], [1]])
