"""Variance that conditions leave: what was put into made sets comes out of them."""

import numpy as np
import pytest
from brain_bundles.metrics.conditional_variance import ConditionalVariance, conditional_variance_ratio


def people(number, own, seed=0, features=300):
    """Images that follow two conditions, of variance 4 and 1 in sum, and have ``own`` standard deviation beside."""
    rng = np.random.default_rng(seed)
    conditions = np.column_stack([rng.uniform(-(3**0.5), 3**0.5, number), rng.integers(0, 2, number) * 2 - 1])
    conditions = conditions * [50.0, 0.01] + [1000.0, 3.0]
    direction = np.ones((2, features)) * [[2 / 50.0], [1 / 0.01]]
    return conditions @ direction + own * rng.normal(size=(number, features)), conditions


@pytest.mark.parametrize("own", [0.0, 0.5, 2.0])
def test_both_variances_come_out(own):
    within, total = ConditionalVariance(*people(400, own)).variances()
    assert within == pytest.approx(own**2, rel=0.03, abs=1e-9)
    assert total == pytest.approx(own**2 + 5.0, rel=0.1)


def test_it_is_least_squares_by_the_rules():
    """Residuals and degrees of freedom of numpy; the second half alone is the set of its images."""
    images, conditions = people(30, 1.0, features=7)
    found = ConditionalVariance(images, conditions)
    half = np.arange(15, 30)
    for chosen in (np.arange(30), half):
        y, x = images[chosen], np.column_stack([np.ones(len(chosen)), conditions[chosen]])
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        within, total = found.variances(chosen)
        assert within == pytest.approx((left**2).sum() / (len(chosen) - 3) / 7)
        assert total == pytest.approx(y.var(0, ddof=1).mean())


def test_a_condition_that_all_share_takes_nothing():
    images, conditions = people(40, 1.0)
    alone = ConditionalVariance(images, conditions[:, :1]).variances()
    constant = np.column_stack([conditions[:, 0], np.full(40, 7.0)])
    assert ConditionalVariance(images, constant).variances() == pytest.approx(alone)


def test_a_generator_of_one_brain_for_each_condition_is_found():
    real = ConditionalVariance(*people(100, 1.0, seed=1))
    alike, varied = (ConditionalVariance(*people(80, own, seed=2)) for own in (0.1, 1.0))
    ratio, (low, high) = conditional_variance_ratio(alike, real, num_resamples=200)
    assert low <= ratio <= high < 0.05
    assert ratio == pytest.approx(0.01, rel=0.2)
    ratio, (low, high) = conditional_variance_ratio(varied, real, num_resamples=200)
    assert 0.8 < low < 1 < high < 1.2
    assert conditional_variance_ratio(varied, real, num_resamples=0) == (ratio, None)
    flat = ConditionalVariance(*people(20, 0.0))
    assert np.isnan(conditional_variance_ratio(varied, ConditionalVariance(np.ones((9, 3)), flat._design[:9, 1:]))[0])


@pytest.mark.parametrize(
    ("images", "conditions", "said"),
    [
        (np.ones((5, 3)), np.ones((4, 1)), "expected"),
        (np.ones((4, 3)), np.ones((4, 2)), "N above K"),
        (np.full((5, 3), np.nan), np.ones((5, 1)), "not finite"),
    ],
)
def test_what_is_refused(images, conditions, said):
    with pytest.raises(ValueError, match=said):
        ConditionalVariance(images, conditions)
