"""The people: sex acts through head size, age thins the grey matter."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.phantom.heads import Person, fit_people, head_population
from brain_bundles.phantom.heads.people import NAMES, RANGE, plausible


@pytest.fixture(scope="module")
def crowd() -> list[Person]:
    return head_population().sample(6000, np.random.default_rng(1))


def regress(people: list[Person], name: str) -> tuple[np.ndarray, float]:
    """Coefficients of (1, age, male, log head) for the logarithm of a volume, and the residual spread."""
    columns = [[1.0, p.age, float(p.sex == "M"), np.log(p.intracranial_volume)] for p in people]
    x, y = np.array(columns), np.log([getattr(p, name) for p in people])
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    return coefficients, float(np.std(y - x @ coefficients))


@pytest.mark.parametrize(
    # Per year and residual spread in the IXI table; the truncation to possible people takes a little of both.
    ("name", "per_year", "spread"),
    [("grey_matter_volume", -0.0042, 0.046), ("brain_volume", -0.0021, 0.027), ("ventricular_volume", 0.023, 0.41)],
)
def test_volumes_change_with_age_and_not_with_sex_given_head_size(crowd, name, per_year, spread):
    coefficients, residual = regress(crowd, name)
    assert coefficients[1] == pytest.approx(per_year, rel=0.08)
    assert residual == pytest.approx(spread, rel=0.08)
    assert abs(coefficients[2]) < 4 * spread / np.sqrt(len(crowd))


def test_men_have_larger_heads(crowd):
    heads = [np.mean([np.log(p.intracranial_volume) for p in crowd if p.sex == sex]) for sex in "FM"]
    assert heads[1] - heads[0] == pytest.approx(0.139, abs=0.015)  # 13.9 % in the IXI table


def test_everybody_is_plausible_and_within_the_range(crowd):
    for name in NAMES:
        values = [getattr(p, name) for p in crowd]
        assert RANGE[name][0] <= min(values) <= max(values) <= RANGE[name][1]
    assert all(map(plausible, crowd))
    assert not plausible(Person(50.0, "F", 20.0, 1340.0, 1350.0, 700.0))


def test_given_values_are_kept_and_the_others_follow():
    given = {"age": 80.0, "ventricular_volume": 90.0, "brain_volume": 1000.0}
    people = head_population().sample(300, np.random.default_rng(0), given)
    assert {(p.age, p.ventricular_volume, p.brain_volume) for p in people} == {(80.0, 90.0, 1000.0)}
    assert np.mean([p.brain_volume / p.intracranial_volume for p in people]) < 0.82


def test_fitting_draws_gives_the_model_back(crowd):
    model, again = head_population(), fit_people([{**vars(p)} for p in crowd])
    np.testing.assert_allclose(again.mean, model.mean, atol=0.06)  # the implausible are not drawn
    np.testing.assert_allclose(again.covariance, model.covariance, atol=0.06)
    with pytest.raises(ValueError, match="5 people, expected at least 20"):
        fit_people([{**vars(p)} for p in crowd[:5]])
