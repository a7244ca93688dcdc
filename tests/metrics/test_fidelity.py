import json
import math

import numpy as np
import pytest
from brain_bundles.metrics import requested_vs_measured


def test_a_known_line_has_its_slope_and_errors():
    requested = np.tile([10.0, 20.0, 30.0, 40.0], 2)
    f = requested_vs_measured(requested, 0.5 * requested + 3)
    assert (f.n, f.n_unmeasured) == (8, 0)
    assert f.pearson_r == pytest.approx(1)
    assert (f.slope, f.intercept) == pytest.approx((0.5, 3))
    assert f.mean_error == pytest.approx(-9.5)  # 3 - requested / 2, whose mean is 12.5
    assert f.mean_absolute_error == pytest.approx((2 + 7 + 12 + 17) / 4)
    assert f.mean_relative_error == pytest.approx(-0.5 + 3 * np.mean(1 / requested))


def test_it_agrees_with_scipy_on_noisy_values():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    requested = rng.uniform(5, 100, 50)
    measured = requested + rng.normal(0, 10, 50)
    f, oracle = requested_vs_measured(requested, measured), stats.linregress(requested, measured)
    assert (f.pearson_r, f.slope, f.intercept) == pytest.approx((oracle.rvalue, oracle.slope, oracle.intercept))


def test_what_could_not_be_measured_is_counted_and_left_out():
    f = requested_vs_measured([1.0, 2.0, 3.0, math.nan], [1.0, math.nan, 3.0, 4.0])
    assert (f.n, f.n_unmeasured, f.mean_error, f.slope) == (2, 2, 0.0, pytest.approx(1))


@pytest.mark.parametrize(("requested", "measured"), [([], []), ([1.0], [2.0]), ([2.0, 2.0], [1.0, 3.0])])
def test_what_is_undefined_is_nan_and_null_in_json(requested, measured):
    f = requested_vs_measured(requested, measured)
    assert math.isnan(f.pearson_r)
    assert math.isnan(f.slope)
    assert f.as_json()["pearson_r"] is None
    json.dumps(f.as_json(), allow_nan=False)


def test_fewer_than_eight_pairs_have_no_correlation():
    values = np.arange(9.0)
    assert requested_vs_measured(values[1:], values[1:]).pearson_r == pytest.approx(1)
    few = requested_vs_measured([*values[2:], math.nan], [*values[2:], 1.0])
    assert math.isnan(few.pearson_r)
    assert few.slope == pytest.approx(1)


def test_constant_answers_have_a_slope_of_zero_and_no_correlation():
    f = requested_vs_measured(range(1, 9), [5.0] * 8)
    assert f.slope == 0
    assert math.isnan(f.pearson_r)


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"equal length, got shapes \(2,\) and \(1,\)"):
        requested_vs_measured([1.0, 2.0], [1.0])
