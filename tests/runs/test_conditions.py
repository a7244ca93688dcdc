"""Tables of conditions: given values stay, missing values are drawn, impossible values are named."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from brain_bundles import BrainBundlesWarning
from brain_bundles.data import DatasetError, read_participants, write_participants
from brain_bundles.runs import make_condition_table
from brain_bundles.transforms import EncodeConditiond
from brain_bundles.utils import derive_seed


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "conditions.tsv"
    path.write_text(text.replace(" ", "\t"))
    return path


def test_fixed_values_and_draws():
    rows = make_condition_table(num_samples=20, age=71.123, sex="F", seed=5)
    assert [row["participant_id"] for row in rows[:2]] == ["sub-0001", "sub-0002"]
    assert {(row["age"], row["sex"]) for row in rows} == {(71.123, "F")}
    assert len({row["ventricular_volume"] for row in rows}) > 15
    assert [row["seed"] for row in rows] == [derive_seed(5, i) for i in range(20)]
    assert len(make_condition_table()) == 1


def test_a_row_depends_on_seed_and_index_only():
    few, many = make_condition_table(num_samples=3, seed=1), make_condition_table(num_samples=9, seed=1)
    assert few == many[:3]
    assert make_condition_table(num_samples=3, seed=2) != few


def test_runs_share_the_sequence_of_a_seed():
    whole = make_condition_table(num_samples=7, seed=1)
    parts = [make_condition_table(num_samples=n, first_sample=first, seed=1) for first, n in ((0, 3), (3, 3), (6, 1))]
    assert [row for part in parts for row in part] == whole
    for wrong in (-1, 2.0, True):
        with pytest.raises(ValueError, match=f"first_sample is {wrong}, expected a whole number of at least 0"):
            make_condition_table(num_samples=1, first_sample=wrong)


def test_what_is_written_is_what_was_used(tmp_path):
    rows = make_condition_table(num_samples=30, brain_volume=1000 + 1 / 3)
    write_participants(tmp_path, rows)
    read = [{**row, "seed": int(str(row["seed"]))} for row in read_participants(tmp_path)]
    assert read == rows


def test_a_table_is_completed(tmp_path):
    path = write(tmp_path, "participant_id age brain_volume\nsub-A 50 n/a\nsub-B  1200.5\nsub-C 80 1000\n")
    rows = make_condition_table(conditions=path, seed=3)
    assert [row["participant_id"] for row in rows] == ["sub-A", "sub-B", "sub-C"]
    assert [rows[0]["age"], rows[2]["age"]] == [50.0, 80.0]
    assert [rows[1]["brain_volume"], rows[2]["brain_volume"]] == [1200.5, 1000.0]
    assert all(row["sex"] in "MF" and 5 <= row["ventricular_volume"] <= 105 for row in rows)
    unnamed = make_condition_table(conditions=write(tmp_path, "age brain_volume\n50 n/a\n"), seed=3)
    assert unnamed == [{**rows[0], "participant_id": "sub-0001"}]


def test_the_table_and_the_arguments_agree(tmp_path):
    path = write(tmp_path, "sex ventricular_volume\n" + "M 40\n" * 3)
    assert make_condition_table(conditions=path, seed=8) == make_condition_table(
        num_samples=3, sex="M", ventricular_volume=40.0, seed=8
    )


@pytest.mark.parametrize(("spelling", "sex"), [("male", "M"), ("m", "M"), ("Female", "F"), ("F", "F")])
def test_a_fixed_value_is_spelt_as_in_a_table(tmp_path, spelling, sex):
    rows = make_condition_table(num_samples=2, sex=spelling, age="60")  # as a config may have it, in quotes
    assert rows == make_condition_table(conditions=write(tmp_path, "sex age\n" + f"{spelling} 60\n" * 2))
    assert rows == make_condition_table(num_samples=2, sex=sex, age=60.0)


def test_outside_of_the_training_range_is_one_warning(tmp_path):
    path = write(tmp_path, "age ventricular_volume\n30 20\n60 20\n60 171\n95 20\n")
    with pytest.warns(BrainBundlesWarning, match="outside of the training range") as caught:
        rows = make_condition_table(conditions=path)
    (message,) = (str(w.message) for w in caught)
    assert "row 1 (sub-0001): age 30 is outside of 40 to 86 years" in message
    assert "row 3 (sub-0003): ventricular_volume 171 is outside of 5 to 105 mL" in message
    assert "row 4" in message
    assert "row 2" not in message
    assert rows[0]["age"] == 30.0
    bounds = {"age": [20, 100], "ventricular_volume": [1, 200], "brain_volume": [500, 2000]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_condition_table(conditions=path, bounds=bounds) == rows
    with pytest.warns(BrainBundlesWarning, match="and 5 more"):
        make_condition_table(num_samples=25, age=39.0)


def test_every_bad_row_is_named_at_once(tmp_path):
    text = (
        "participant_id age sex ventricular_volume brain_volume hair\n"
        "sub-1 -3 F 20 1100 x\nsub-2 60 X 20 1100 x\nsub-3 nan F 20 1100 x\n"
        "sub-4 60 F zero 1100 x\nsub-5 60 F 0 1100 x\n"
        "sub-1 131 F 20 1100 x\nsub_7 60 F 20 -1 x\nsub-8 60 F 20 1100 x\n"
    )
    with pytest.raises(DatasetError) as error:
        make_condition_table(conditions=write(tmp_path, text))
    message = str(error.value)
    for part in (
        "row 1 (sub-1): age is -3",
        "row 2 (sub-2): sex is 'X'",
        "row 3 (sub-3): age is nan",
        "row 4 (sub-4): ventricular_volume is 'zero', expected a number in mL",
        "row 5 (sub-5): ventricular_volume is 0",
        "row 6 (sub-1): age is 131",
        "row 6 (sub-1) repeats row 1",
        "row 7: 'sub_7'",
        "brain_volume is -1",
        "hair; allowed are participant_id, age",
    ):
        assert part in message
    assert "row 8" not in message
    assert len(error.value.problems) == 10


def test_combinations_that_nobody_has_are_named_by_row(tmp_path):
    path = write(tmp_path, "ventricular_volume brain_volume\n20 1100\n0.01 2900\n")
    with pytest.raises(DatasetError, match=r"row 2 \(sub-0002\): Nobody in the population"):
        make_condition_table(conditions=path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "num_samples is 0, expected a whole number of at least 1"),
        ({"num_samples": 2.5}, r"num_samples is 2\.5"),
        ({"num_samples": True}, "num_samples is True"),
        ({"age": -1.0}, "Impossible condition: age is -1"),
        ({"age": "old", "sex": "x"}, "age is 'old', .*; sex is 'x'"),
        ({"brain_volume": float("nan")}, "brain_volume is nan"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_condition_table(**arguments)


def test_a_table_beside_fixed_values_or_none_at_all(tmp_path):
    path = write(tmp_path, "age\n50\n")
    with pytest.raises(ValueError, match="and num_samples, sex are both given; put them into the table"):
        make_condition_table(conditions=path, num_samples=2, sex="F")
    with pytest.raises(FileNotFoundError, match=r"missing\.tsv: no such table"):
        make_condition_table(conditions=tmp_path / "missing.tsv")
    with pytest.raises(DatasetError, match="no row below the column names"):
        make_condition_table(conditions=write(tmp_path, "age\n"))


def test_a_row_of_blanks_is_a_person(tmp_path):
    assert len(make_condition_table(conditions=write(tmp_path, "age sex\n \n50 M\n\n"))) == 2


def test_head_size_is_a_column_of_weights_that_know_it(tmp_path):
    """Volumes are in mL; the network of the published size knows the brain of a reference head."""
    bounds = {"age": (44.0, 82.0), "ventricular_volume": (7.0, 171.0), "brain_volume": (1144.0, 1794.0)}
    options = {"bounds": bounds, "head_size_reference": 1750.0}
    rows = make_condition_table(num_samples=20, age=63.0, seed=5, **options)
    assert len({row["intracranial_volume"] for row in rows}) == 20
    assert all(0.7 < row["brain_volume"] / row["intracranial_volume"] < 0.94 for row in rows)
    path = write(tmp_path, "age sex ventricular_volume brain_volume intracranial_volume\n63 F 25 1100 1300\n")
    (row,) = make_condition_table(conditions=path, **options)
    assert (row["brain_volume"], row["intracranial_volume"]) == (1100.0, 1300.0)
    encoded = EncodeConditiond(bounds, head_size_reference=1750.0)(row)["context"][0]
    assert float(encoded[3]) == pytest.approx((1100 * 1750 / 1300 - 1144) / (1794 - 1144))
    with pytest.raises(ValueError, match="these weights do not know head size"):
        make_condition_table(intracranial_volume=1400.0)
    with pytest.raises(ValueError, match="intracranial_volume is missing"):
        EncodeConditiond(bounds, head_size_reference=1750.0)({**row, "intracranial_volume": None})


def test_head_size_is_drawn_given_the_others_where_the_weights_have_bounds_for_it():
    bounds = {"age": (20.0, 90.0), "ventricular_volume": (5.0, 130.0), "brain_volume": (850.0, 1700.0)}
    bounds["intracranial_volume"] = (1000.0, 1950.0)
    rows = make_condition_table(num_samples=20, brain_volume=1300.0, seed=5, bounds=bounds)
    sizes = [row["intracranial_volume"] for row in rows]
    assert len(set(sizes)) == 20
    assert all(0.7 < 1300.0 / size < 0.94 for size in sizes)
    (given,) = make_condition_table(intracranial_volume=1500.0, bounds=bounds)
    assert given["intracranial_volume"] == 1500.0
    assert EncodeConditiond(bounds)(given)["context"].shape == (1, 5)
