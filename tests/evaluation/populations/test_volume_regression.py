import math

import numpy as np
import pytest
from brain_bundles.evaluation.populations.volume_regression import VolumeRegression, regress_volume


def test_known_coefficients_are_found():
    """Ventricles of 20 mL at 60 years that grow by 25 % a decade and are 10 % larger in men."""
    ages = np.linspace(20, 90, 40)
    sexes = ["M" if i % 3 else "F" for i in range(40)]
    volumes = [
        20 * 1.25 ** ((age - 60) / 10) * 1.1 ** (0.5 if sex == "M" else -0.5)
        for age, sex in zip(ages, sexes, strict=True)
    ]
    fit = regress_volume([*volumes, math.nan, 30.0], [*ages, 50.0, None], [*sexes, "F", "M"])
    assert (fit.num_measured, fit.num_fitted) == (41, 40)
    assert fit.percent_per_decade == pytest.approx(25)
    assert fit.percent_male == pytest.approx(10)
    assert fit.at_60 == pytest.approx(20)
    assert fit.percent_residual == pytest.approx(0, abs=1e-6)


def test_errors_and_spread_are_those_of_least_squares():
    """The standard error covers the truth as often as it should: 68 % of the draws within one."""
    rng = np.random.default_rng(0)
    ages, sexes = np.linspace(20, 90, 30), ["M", "F"] * 15
    fits = [regress_volume(list(np.exp(3 + 0.1 * rng.standard_normal(30))), list(ages), sexes) for _ in range(300)]
    assert np.mean([abs(f.percent_per_decade) < f.percent_per_decade_error for f in fits]) == pytest.approx(
        0.68, abs=0.07
    )
    assert np.mean([abs(f.percent_male) < f.percent_male_error for f in fits]) == pytest.approx(0.68, abs=0.07)
    assert np.mean([f.percent_residual for f in fits]) == pytest.approx(10, rel=0.03)


def test_women_alone_have_no_difference_to_men():
    fit = regress_volume([20.0 + i for i in range(10)], [50.0 + i for i in range(10)], ["F"] * 10)
    assert math.isnan(fit.percent_male)
    assert fit.percent_per_decade > 0


def test_too_few_people_are_not_fitted():
    fit = regress_volume([20.0] * 7 + [22.0], [50.0, 60.0] * 3 + [70.0, None], ["F"] * 8)
    assert (fit.num_measured, fit.median, fit.num_fitted) == (8, 20.0, 0)
    assert math.isnan(fit.at_60)
    nobody = regress_volume([math.nan], [50.0], ["F"])
    assert isinstance(nobody, VolumeRegression)
    assert math.isnan(nobody.median)
