"""The population: draws against its density, conditioning against brute force, and invalid arguments."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data import Covariates
from brain_bundles.data.covariates import CONTINUOUS
from brain_bundles.phantom import PopulationModel

PERSON = {"age": 60.0, "sex": "F", "ventricular_volume": 20.0, "brain_volume": 1100.0}


@pytest.fixture(scope="module")
def model() -> PopulationModel:
    return PopulationModel.default()


@pytest.fixture(scope="module")
def crowd(model: PopulationModel) -> list[Covariates]:
    return model.sample(100_000, np.random.default_rng(11))


def columns(people: list[Covariates]) -> np.ndarray:
    return np.array([[getattr(p, name) for name in CONTINUOUS] for p in people])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("age", -1.0, "age is -1, possible are 0 to 130 years"),
        ("age", float("nan"), "age is nan"),
        ("age", "sixty", "age is 'sixty', expected a number in years"),
        ("age", True, "age is True"),
        ("sex", "X", "sex is 'X', allowed are 'M' and 'F'"),
        ("ventricular_volume", 0.0, "ventricular_volume is 0, possible are more than 0"),
        ("ventricular_volume", 20_000.0, "ventricular_volume is 20000, .* 1000 mL"),
        ("brain_volume", float("inf"), "brain_volume is inf"),
        ("brain_volume", -1100.0, "brain_volume is -1100"),
    ],
)
def test_impossible_covariates_are_refused(model, name, value, message):
    with pytest.raises(ValueError, match=message):
        Covariates(**{**PERSON, name: value})
    with pytest.raises(ValueError, match=message):
        model.sample(1, np.random.default_rng(0), {name: value})


def test_all_problems_of_a_person_are_named_at_once():
    with pytest.raises(ValueError, match=r"age is -1.*sex is 'X'"):
        Covariates(**{**PERSON, "age": -1, "sex": "X"})


def test_draws_stay_inside_the_range_and_repeat_with_the_seed(model, crowd):
    values = columns(crowd)
    for i, name in enumerate(CONTINUOUS):
        low, high = model.range[name]
        assert low <= values[:, i].min() < values[:, i].max() <= high
    assert model.sample(5, np.random.default_rng(3)) == model.sample(5, np.random.default_rng(3))
    assert model.sample(5, np.random.default_rng(3)) != model.sample(5, np.random.default_rng(4))
    assert model.sample(0, np.random.default_rng(3)) == []


def test_draws_follow_the_truncated_density(model, crowd):
    """Moments by importance weighting of uniform points under the density: another route to the same integrals."""
    rng = np.random.default_rng(5)
    low, high = np.array([model.range[name] for name in CONTINUOUS]).T
    points = rng.uniform(low, high, size=(200_000, 3))
    u = np.stack([(points[:, 0] / 60) ** 2, np.log(points[:, 1]), np.log(points[:, 2])], axis=1)
    jacobian = points[:, 0] / points[:, 1] / points[:, 2]
    drawn, sex = columns(crowd), np.array([p.sex for p in crowd])
    mass = []
    for s, name in enumerate("FM"):
        d = u - model.mean[s]
        inverse = np.linalg.inv(model.covariance[s])
        density = jacobian * np.exp(-0.5 * np.einsum("ni,ij,nj->n", d, inverse, d)) * np.sqrt(np.linalg.det(inverse))
        mass.append(model.weight[s] * density.sum())
        ours, exact = drawn[sex == name], np.cov(points.T, aweights=density)
        # 30,000 draws: standard errors of 0.6 % of a standard deviation and of a correlation; integration has as much.
        error = (ours.mean(0) - np.average(points, axis=0, weights=density)) / np.sqrt(np.diag(exact))
        np.testing.assert_allclose(error, 0, atol=0.03)
        np.testing.assert_allclose(ours.std(0) / np.sqrt(np.diag(exact)), 1, atol=0.03)
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        np.testing.assert_allclose(np.corrcoef(ours.T), exact / scale, atol=0.03)
    assert (sex == "M").mean() == pytest.approx(mass[1] / sum(mass), abs=0.01)


@pytest.mark.parametrize(
    "given",
    [
        {"sex": "M"},
        {"age": 75.0},
        {"ventricular_volume": 45.0},
        {"brain_volume": 1300.0},
        {"age": 70.0, "brain_volume": 1150.0},
        {"sex": "F", "age": 50.0},
        {"sex": "F", "ventricular_volume": 12.0},
        {"age": 64.0, "ventricular_volume": 22.0, "brain_volume": 1150.0},
    ],
)
def test_conditional_draws_agree_with_rejection_from_joint_draws(model, crowd, given):
    # Half-widths small against the spread, so that a joint draw within them is a draw given their centre.
    width = {"age": 0.6, "ventricular_volume": 0.6, "brain_volume": 8.0}
    slack = 1 if len(given) == 1 else 3

    def near(person: Covariates) -> bool:
        return all(
            person.sex == value if name == "sex" else abs(getattr(person, name) - value) < width[name] * slack
            for name, value in given.items()
        )

    slow = [p for p in crowd if near(p)]
    fast = model.sample(len(slow), np.random.default_rng(8), given)
    assert len(slow) > 100
    assert all(getattr(p, name) == value for p in fast for name, value in given.items())
    a, b = columns(slow), columns(fast)
    tolerance = 5 / np.sqrt(len(slow))  # in standard deviations: 3.5 standard errors of a difference of two means
    for i, name in enumerate(CONTINUOUS):
        if name not in given:
            spread = a[:, i].std()
            assert abs(a[:, i].mean() - b[:, i].mean()) < tolerance * spread
            assert b[:, i].std() == pytest.approx(spread, rel=tolerance)
    assert np.mean([p.sex == "M" for p in fast]) == pytest.approx(
        np.mean([p.sex == "M" for p in slow]), abs=tolerance / 2
    )


def test_given_values_outside_the_range_stay_exactly_as_given(model):
    (person,) = model.sample(1, np.random.default_rng(0), {"age": 97.5, "ventricular_volume": 171.375, "sex": None})
    assert (person.age, person.ventricular_volume) == (97.5, 171.375)
    assert model.range["brain_volume"][0] <= person.brain_volume <= model.range["brain_volume"][1]
    everything = {"age": 5.0, "sex": "M", "ventricular_volume": 2.0, "brain_volume": 1700.0}
    assert model.sample(2, np.random.default_rng(0), everything) == [Covariates(**everything)] * 2


def test_a_condition_that_nobody_meets_ends(model):
    with pytest.raises(ValueError, match=r"Nobody in the population matches .*2900"):
        model.sample(1, np.random.default_rng(0), {"ventricular_volume": 0.01, "brain_volume": 2900.0})


def test_unknown_covariates_are_refused(model):
    with pytest.raises(ValueError, match="unknown covariate 'height'"):
        model.sample(1, np.random.default_rng(0), {"height": 1.8})


def test_fitting_draws_gives_back_the_model(model, crowd):
    table = [{name: getattr(p, name) for name in ("sex", *CONTINUOUS)} for p in crowd]
    fitted = PopulationModel.fit(table)
    # The neglected truncation of the volumes costs a few per cent; the sampling error is below one.
    np.testing.assert_allclose(fitted.weight, model.weight, atol=0.01)
    np.testing.assert_allclose(fitted.mean, model.mean, rtol=0.03)
    for ours, exact in zip(fitted.covariance, model.covariance, strict=True):
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        np.testing.assert_allclose(ours / scale, exact / scale, atol=0.1)


def test_fit_needs_people_of_both_sexes(crowd):
    table = [{name: getattr(p, name) for name in ("sex", *CONTINUOUS)} for p in crowd[:200] if p.sex == "F"]
    with pytest.raises(ValueError, match="0 people of sex 'M'"):
        PopulationModel.fit(table)
