"""Intervals: what theory says of means and regressions, another library, and how often they hold the truth."""

import numpy as np
import pytest
from brain_bundles.metrics.fidelity import WITH_INTERVAL, fidelity_intervals, requested_vs_measured
from brain_bundles.metrics.intervals import bootstrap_interval, pairs_interval
from brain_bundles.metrics.ms_ssim_pairs import draw_pairs, draw_pairs_between
from scipy import stats


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = bootstrap_interval(lambda i: values[i].mean(), 400, num_resamples=4000)
    width = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - width, abs=0.02)
    assert high == pytest.approx(values.mean() + width, abs=0.02)


def test_scipy_agrees_on_the_ratio_of_two_sets():
    rng = np.random.default_rng(1)
    one, other = rng.gamma(2.0, size=60), rng.gamma(3.0, size=90)
    found = bootstrap_interval(lambda i, j: one[i].mean() / other[j].mean(), 60, 90, num_resamples=6000, seed=2)
    wanted = stats.bootstrap(
        (one, other), lambda a, b: a.mean() / b.mean(), vectorized=False, method="percentile", n_resamples=6000
    ).confidence_interval
    assert found == pytest.approx(wanted, abs=0.02)


def test_draws_follow_the_seed_and_several_numbers_share_them():
    values = np.random.default_rng(0).normal(size=30)
    both = bootstrap_interval(lambda i: [values[i].mean(), values[i].std()], 30, num_resamples=50, seed=4)
    assert both.shape == (2, 2)
    assert (bootstrap_interval(lambda i: values[i].mean(), 30, num_resamples=50, seed=4) == both[:, 0]).all()
    assert (bootstrap_interval(lambda i: values[i].mean(), 30, num_resamples=50, seed=5) != both[:, 0]).any()
    narrow = bootstrap_interval(lambda i: values[i].mean(), 30, num_resamples=50, seed=4, level=0.5)
    assert both[0, 0] < narrow[0] < narrow[1] < both[1, 0]


@pytest.mark.parametrize("options", [{"num_resamples": 1}, {"level": 1.0}])
def test_what_is_no_bootstrap_is_refused(options):
    with pytest.raises(ValueError, match="2 draws or more and a level between 0 and 1"):
        bootstrap_interval(lambda i: 0.0, 3, **options)
    with pytest.raises(ValueError, match="needs images"):
        bootstrap_interval(lambda i: 0.0, 0)


@pytest.mark.parametrize("shares", [(0.0, 1.0), (1.0, 0.0), (0.7, 0.5)])
@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("number", [60, 2000])
def test_intervals_of_pairs_hold_the_mean_as_often_as_they_say(shares, between, number):
    """Values with a part of each image and a part of the pair, in few and in nearly all pairs of 64 images."""
    of_image, of_pair = shares
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pairs = draw_pairs_between(64, 40, number, seed) if between else draw_pairs(64, number, seed)
        parts = rng.normal(size=64), rng.normal(size=40 if between else 64)
        i, j = np.array(pairs).T
        second = parts[1] if between else parts[0]
        values = of_image * (parts[0][i] + second[j]) + of_pair * rng.normal(size=len(pairs))
        low, high = pairs_interval(values, pairs, between=between)
        held += low < 0 < high
    assert 0.88 <= held / 200 <= 0.99


def test_one_pair_has_no_interval_and_numbers_must_match():
    assert np.isnan(pairs_interval([0.5], [(0, 1)])).all()
    with pytest.raises(ValueError, match="2 values of 1 pairs"):
        pairs_interval([0.5, 0.4], [(0, 1)])


def test_slope_and_r_have_the_intervals_of_a_regression():
    rng = np.random.default_rng(3)
    x = rng.uniform(10, 90, 300)
    y = 0.8 * x + 5 + rng.normal(0, 6, 300)
    found = fidelity_intervals(x, y, num_resamples=3000)
    line = stats.linregress(x, y)
    width = 1.96 * line.stderr
    assert found["slope"] == pytest.approx((line.slope - width, line.slope + width), abs=0.01)
    r = stats.pearsonr(x, y).confidence_interval(0.95)
    assert found["pearson_r"] == pytest.approx((r.low, r.high), abs=0.01)
    value = requested_vs_measured(x, y)
    for name in WITH_INTERVAL:
        assert found[name][0] < getattr(value, name) < found[name][1]


def test_unmeasured_brains_are_left_out_and_too_few_have_none():
    x, y = [10.0, 20.0, 30.0, 40.0], [11.0, np.nan, 31.0, 41.0]
    found = fidelity_intervals(x, y, num_resamples=200)
    assert found["mean_error"] == (1.0, 1.0)
    assert found["pearson_r"] is None  # under 8 pairs
    assert fidelity_intervals([1.0, np.nan], [1.0, 2.0]) == dict.fromkeys(WITH_INTERVAL)
