"""The scaling of covariates for the network."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.data import Covariates, CovariateScaler

BOUNDS = {"age": [44, 82], "ventricular_volume": [7.0, 171.0], "brain_volume": [1144.0, 1794.0]}
ROW = {"participant_id": "sub-1", "age": 63.0, "sex": "M", "ventricular_volume": 48.0, "brain_volume": 1306.5}


@pytest.fixture
def scaler() -> CovariateScaler:
    return CovariateScaler(BOUNDS)


def test_order_and_scale_are_the_papers(scaler):
    """Ages scale as (a - 44) / (82 - 44); the volumes are at a quarter of their ranges."""
    torch.testing.assert_close(scaler.encode(ROW), torch.tensor([1.0, 0.5, 0.25, 0.25]))
    torch.testing.assert_close(scaler.encode({**ROW, "sex": "F", "age": 82}), torch.tensor([0.0, 1.0, 0.25, 0.25]))


def test_nothing_is_clipped_and_the_order_of_bounds_does_not_matter(scaler):
    row = {**ROW, "age": 25.0, "ventricular_volume": 212.0}
    turned = CovariateScaler(dict(reversed(BOUNDS.items())))
    torch.testing.assert_close(turned.encode(row), torch.tensor([1.0, -0.5, 1.25, 0.25]))
    assert scaler.outside(row) == [
        "age 25 is outside of 44 to 82 years",
        "ventricular_volume 212 is outside of 7 to 171 mL",
    ]
    assert scaler.outside(ROW) == []


def test_decode_undoes_encode(scaler):
    person = Covariates(age=70.3, sex="F", ventricular_volume=33.21, brain_volume=1200.4)
    context = scaler.encode(person)
    assert context.dtype == torch.float32
    back = scaler.decode(context[None])
    assert back.sex == "F"
    for name in BOUNDS:  # float32: relative error 1e-7 of the range
        assert getattr(back, name) == pytest.approx(getattr(person, name), abs=1e-4)
    with pytest.raises(ValueError, match=r"shape \(2, 4\), expected 4 numbers: sex, age"):
        scaler.decode(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": None}, "sub-1: age is missing"),
        ({"sex": "X", "brain_volume": -1.0}, "sub-1: sex is 'X'.*; brain_volume is -1"),
        ({"ventricular_volume": float("nan")}, "ventricular_volume is nan"),
    ],
)
def test_impossible_rows_are_named(scaler, change, message):
    with pytest.raises(ValueError, match=message):
        scaler.encode({**ROW, **change})


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"age": [44, 82]}, r"expected exactly age, ventricular_volume, brain_volume"),
        ({**BOUNDS, "sex": [0, 1]}, "expected exactly"),
        ({**BOUNDS, "age": [82, 44]}, r"bounds of age are \[82, 44\], expected \[low, high\] in years"),
        ({**BOUNDS, "age": [44]}, "bounds of age"),
        ({**BOUNDS, "age": [44, float("inf")]}, "bounds of age"),
    ],
)
def test_bad_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        CovariateScaler(bounds)


def test_head_size_is_a_fifth_number_where_it_has_bounds():
    scaler = CovariateScaler({"intracranial_volume": [1000, 2000], **BOUNDS})
    row = {**ROW, "intracranial_volume": "1250"}
    context = scaler.encode(row)
    assert context.shape == (5,)
    assert context[:4].equal(CovariateScaler(BOUNDS).encode(ROW))
    assert float(context[4]) == 0.25
    assert scaler.decode(context).age == pytest.approx(ROW["age"], abs=1e-4)
    assert scaler.outside({**row, "intracranial_volume": 900}) == [
        "intracranial_volume 900 is outside of 1000 to 2000 mL"
    ]
    with pytest.raises(ValueError, match="sub-1: intracranial_volume is missing"):
        scaler.encode(ROW)
    with pytest.raises(ValueError, match="a condition or the brain volume is normalised for it, not both"):
        CovariateScaler({"intracranial_volume": [1000, 2000], **BOUNDS}, head_size_reference=1500.0)


def test_a_table_is_encoded_as_one_token_per_row(scaler):
    rows = [ROW, {**ROW, "sex": "F"}]
    context = scaler.encode_table(rows)
    assert context.shape == (2, 1, 4)
    assert all(context[i, 0].equal(scaler.encode(row)) for i, row in enumerate(rows))
