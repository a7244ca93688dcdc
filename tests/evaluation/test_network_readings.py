"""Volumes, age and sex of generated brains by the segmenter, and how they follow what was asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from brain_bundles.data import write_nifti
from brain_bundles.evaluation.network_readings import Reading, read_brains, reading_fidelity
from brain_bundles.metrics.partial_correlation import partial_correlation


def people(number: int = 20) -> list[dict]:
    rng = np.random.default_rng(0)
    ages = rng.uniform(40, 80, number)
    return [
        {
            "age": age,
            "sex": "MF"[i % 2],
            "ventricular_volume": age / 4 + rng.uniform(5, 15),
            "brain_volume": rng.uniform(900, 1300),
            "intracranial_volume": rng.uniform(1300, 1600),
        }
        for i, age in enumerate(ages)
    ]


def read(row: dict, **changed: float) -> Reading:
    """A reading that is what was asked for, but for some numbers."""
    values = {**row, "sex": float(row["sex"] == "M"), **changed}
    return Reading(**values)


def test_readings_are_compared_with_what_was_asked_for():
    asked, rng = people(), np.random.default_rng(1)
    noise = rng.normal(size=len(asked))
    readings = [
        read(
            row,
            age=10 + row["age"] + 3 * e,
            ventricular_volume=2 * row["ventricular_volume"],
            intracranial_volume=row["intracranial_volume"] - 20,
            sex=0.5 + row["brain_volume"] / 1e4 + 0.1 * (row["sex"] == "M"),
        )
        for row, e in zip(asked, noise, strict=True)
    ]
    found = reading_fidelity(readings, asked)
    assert found["ventricular_volume"]["slope"] == pytest.approx(2)
    assert found["brain_volume"]["mean_error"] == 0
    assert found["intracranial_volume"]["mean_error"] == pytest.approx(-20)
    assert found["age"]["mean_error"] == pytest.approx(10 + 3 * noise.mean())
    assert found["age"]["given"] == ["sex", "ventricular_volume", "brain_volume"]
    known = [[row["sex"] == "M", row["ventricular_volume"], row["brain_volume"]] for row in asked]
    expected = partial_correlation([one.age for one in readings], [row["age"] for row in asked], np.array(known, float))
    assert found["age"]["partial_r"] == pytest.approx(expected)
    # The brain's size hides the sex; given the rest it is all that is left.
    assert found["sex"]["given"] == ["age", "ventricular_volume", "brain_volume", "intracranial_volume"]
    assert found["sex"]["pearson_r"] < 0.999
    assert found["sex"]["partial_r"] == pytest.approx(1)


def test_readings_have_intervals_by_seed():
    asked, rng = people(40), np.random.default_rng(1)
    readings = [
        read(row, age=row["age"] + 3 * e, sex=(row["sex"] == "M") + e, ventricular_volume=row["ventricular_volume"] + e)
        for row, e in zip(asked, rng.normal(size=40), strict=True)
    ]
    found = reading_fidelity(readings, asked, num_resamples=200, seed=1)
    for name, fields in found.items():
        for field in ("pearson_r", "slope", "mean_absolute_error", *(["partial_r"] if name in ("age", "sex") else [])):
            low, high = fields["intervals"][field]
            assert low - 1e-9 <= fields[field] <= high + 1e-9
    low, high = found["age"]["intervals"]["partial_r"]
    assert 0.6 < low < high < 1
    assert found == reading_fidelity(readings, asked, num_resamples=200, seed=1)
    assert found["age"]["intervals"] != reading_fidelity(readings, asked, num_resamples=200, seed=2)["age"]["intervals"]


def test_what_was_not_read_or_asked_for_is_left_out():
    asked = people(7)
    readings = [read(row, age=50.0, ventricular_volume=20.0) for row in asked]
    readings[0] = read(asked[0], age=math.nan, ventricular_volume=math.nan)
    found = reading_fidelity(readings, asked)
    assert (found["age"]["n"], found["age"]["n_unmeasured"]) == (6, 1)
    assert found["age"]["partial_r"] is None  # the readings have no spread
    unasked = reading_fidelity(readings, [{**row, "age": None, "intracranial_volume": None} for row in asked])
    assert unasked.keys() == {"ventricular_volume", "brain_volume", "sex"}
    assert unasked["sex"]["given"] == ["ventricular_volume", "brain_volume"]
    women = reading_fidelity(readings, [{**row, "sex": "F"} for row in asked])
    assert women["sex"]["partial_r"] is None


def test_a_brain_is_read_and_a_file_that_is_none_is_told(tmp_path):
    """A ball is no brain, but every number is there; a constant image has none."""
    radius = np.sqrt((np.stack(np.indices((80, 96, 80))) - np.array([39.5, 47.5, 39.5])[:, None, None, None]) ** 2)
    ball = (np.linalg.norm(radius, axis=0) < 36) * (0.6 - radius[0] / 200)
    affine = np.diag([2.0, 2, 2, 1])
    write_nifti(tmp_path / "ball.nii.gz", ball, affine)
    write_nifti(tmp_path / "nothing.nii.gz", np.zeros_like(ball), affine)
    with pytest.warns(UserWarning, match="nothing.nii.gz: it cannot be read"):
        one, none = read_brains([tmp_path / "ball.nii.gz", tmp_path / "nothing.nii.gz"], progress=False)
    assert math.isfinite(one.age + one.sex)
    assert one.intracranial_volume > one.brain_volume
    assert 500 < one.brain_volume < 1700
    assert math.isnan(none.age)
