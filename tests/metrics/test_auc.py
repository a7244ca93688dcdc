import math

import numpy as np
import pytest
from brain_bundles.metrics.auc import auc, auc_interval


def test_the_share_of_pairs_by_hand():
    """Of six pairs, 2 above 1, 4 above 1, 4 above 3 are right, 3 against 3 counts half."""
    assert auc(np.array([1.0, 3.0]), np.array([2.0, 3.0, 4.0])) == pytest.approx((3 + 1 + 0.5) / 6)
    assert auc(np.array([0.0]), np.array([1.0, 2.0])) == 1.0
    assert auc(np.array([1.0, 2.0]), np.array([0.0])) == 0.0
    assert math.isnan(auc(np.array([]), np.array([1.0])))


def test_it_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 40).round(1), rng.normal(0.7, 1, 30).round(1)
    labels = [0] * 40 + [1] * 30
    assert auc(first, second) == pytest.approx(metrics.roc_auc_score(labels, [*first, *second]))


def test_the_interval_covers_as_often_as_it_says():
    """Two normal distributions one standard deviation apart have an AUC of Phi(1 / sqrt 2) = 0.760."""
    rng = np.random.default_rng(0)
    intervals = [auc_interval(auc(rng.normal(0, 1, 30), rng.normal(1, 1, 30)), 30, 30) for _ in range(600)]
    truth = 0.5 * (1 + math.erf(0.5))
    assert 0.93 < np.mean([low <= truth <= high for low, high in intervals]) < 0.98


def test_the_ends_have_a_width_and_mirror_each_other():
    low, high = auc_interval(1.0, 30, 30)
    assert high == 1.0
    assert 0.90 < low < 0.96
    assert auc_interval(0.0, 30, 30) == pytest.approx((0.0, 1 - low))
    low, high = auc_interval(0.5, 30, 30)
    assert low == pytest.approx(1 - high)
    assert all(math.isnan(end) for end in auc_interval(math.nan, 3, 3))


def test_more_people_and_less_confidence_make_it_narrower():
    def width(*arguments):
        low, high = auc_interval(0.8, *arguments)
        assert low < 0.8 < high
        return high - low

    assert width(30, 30) > width(60, 60) > width(60, 60, 0.8)


@pytest.mark.parametrize("arguments", [(0.5, 0, 3), (1.2, 3, 3), (0.5, 3, 3, 1.0)])
def test_impossible_values_are_refused(arguments):
    with pytest.raises(ValueError, match="within 0 and 1 and two sets of people"):
        auc_interval(*arguments)
