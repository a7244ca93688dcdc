"""Readings of made latents, and latents that are moved to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from brain_bundles.utils import load_weights, save_network, with_recipe
from brain_mri_generator import (
    ConditionCorrection,
    ConditionReader,
    calibrate_condition_reader,
    fit_condition_reader,
    load_condition_correction,
)
from brain_mri_generator.condition_reader import solve

SHAPE = (2, 6, 8, 6)
NAMES = ("sex", "age", "ventricular_volume", "brain_volume")
BOUNDS = {"age": (20.0, 90.0), "ventricular_volume": (5.0, 105.0), "brain_volume": (800.0, 1600.0)}


def people(number: int, seed: int) -> list[dict]:
    """Latents in which age, ventricles and brain each change a region of their own; sex changes nothing."""
    generator = torch.Generator().manual_seed(seed)
    conditions = torch.rand(number, 1, 4, generator=generator)
    latents = 0.3 * torch.randn(number, *SHAPE, generator=generator)
    for k, (channel, place) in enumerate([(0, slice(0, 2)), (1, slice(2, 4)), (0, slice(4, 6))], start=1):
        latents[:, channel, place] += 2 * conditions[:, :, k, None, None]
    return [{"mean": one, "context": condition} for one, condition in zip(latents, conditions, strict=True)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ConditionReader:
    path = tmp_path_factory.mktemp("reader") / "reader.pt"
    return fit_condition_reader(people(300, 0), SHAPE, NAMES, path)


def latents_and_conditions(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    items = people(50, seed)
    return torch.stack([one["mean"] for one in items]), torch.stack([one["context"] for one in items])


def test_it_reads_people_that_the_fit_did_not_see(reader):
    latents, conditions = latents_and_conditions(1)
    read = reader(latents)
    for k in (1, 2, 3):
        assert float(torch.corrcoef(torch.stack([read[:, k], conditions[:, 0, k]]))[0, 1]) > 0.97
    assert float(read[:, 0].std()) < 0.1  # nothing shows it, so nothing is read


def test_latents_are_moved_until_they_read_as_asked_and_sex_is_left_alone(reader):
    latents, _ = latents_and_conditions(1)
    _, asked = latents_and_conditions(2)
    correct = ConditionCorrection(reader)
    moved = correct(correct(latents, asked), asked)
    wanted = reader.wanted(asked[:, 0])
    before, after = ((reader(one) - wanted)[:, 1:].abs().mean() for one in (latents, moved))
    assert float(after) < 0.02 * float(before)
    torch.testing.assert_close(wanted[:, 2:], asked[:, 0, 2:])  # volumes are asked for as they are
    other = asked.clone()
    other[:, :, 0] = 1 - other[:, :, 0]
    torch.testing.assert_close(correct(latents, other), correct(latents, asked), atol=0.02, rtol=0)
    # The move is along the population's: a place that no condition changes stays where it is.
    changed = (correct(latents, asked) - latents).square().mean((0, 2, 3, 4))
    region = (correct(latents, asked) - latents)[:, 1, 4:].square().mean()
    assert float(region) < 0.02 * float(changed.max())


def test_half_the_strength_goes_half_the_way(reader):
    latents, _ = latents_and_conditions(1)
    _, asked = latents_and_conditions(2)
    whole = ConditionCorrection(reader)(latents, asked) - latents
    half = ConditionCorrection(reader, 0.5)(latents, asked) - latents
    torch.testing.assert_close(half, whole / 2, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match="condition_correction must be between 0 and 1"):
        ConditionCorrection(reader, 1.5)


def test_a_condition_that_is_not_given_is_not_corrected(reader):
    latents, _ = latents_and_conditions(1)
    nothing = torch.full((50, 1, 4), float("nan"))
    torch.testing.assert_close(ConditionCorrection(reader)(latents, nothing), latents)


def test_weights_are_read_with_their_recipe_and_need_not_exist(reader, tmp_path, caplog):
    save_network(reader, tmp_path / "reader.pt")
    loaded = load_condition_correction(ConditionReader(SHAPE, 4), tmp_path / "reader.pt")
    assert loaded is not None
    torch.testing.assert_close(loaded.reader.weights, reader.weights)
    assert load_condition_correction(ConditionReader(SHAPE, 4), tmp_path / "reader.pt", 0.0) is None
    assert load_condition_correction(ConditionReader(SHAPE, 4), tmp_path / "none.pt") is None
    assert "configs/fit_reader.json makes one" in caplog.text
    with_recipe(reader, {"spacing": 2.0, "spatial_size": [24, 32, 24]})
    save_network(reader, tmp_path / "reader.pt")
    for settings, told in (
        ({"spacing": 1.0, "spatial_size": [24, 32, 24]}, "spacing is 2.0 there and 1.0 here"),
        ({"spacing": 2.0, "spatial_size": [32, 32, 24]}, "spatial_size is [24, 32, 24] there and [32, 32, 24] here"),
    ):
        other = with_recipe(ConditionReader(SHAPE, 4), settings)
        assert load_condition_correction(other, tmp_path / "reader.pt") is None
        assert told in caplog.text


def test_three_people_are_the_fewest(tmp_path):
    with pytest.raises(ValueError, match="2 latents, expected 3 or more"):
        fit_condition_reader(people(2, 0), SHAPE, NAMES, tmp_path / "reader.pt")
    fit_condition_reader(people(3, 0), SHAPE, NAMES, tmp_path / "reader.pt")
    load_weights(ConditionReader(SHAPE, 4), tmp_path / "reader.pt")


def test_what_cannot_be_read_off_others_is_left_to_the_network(tmp_path):
    """Conditions that have nothing to do with the latents: no direction is followed, however well the fit reads."""
    generator = torch.Generator().manual_seed(0)
    items = [
        {"mean": torch.randn(SHAPE, generator=generator), "context": torch.rand(1, 4, generator=generator)}
        for _ in range(12)
    ]
    unknown = fit_condition_reader(items, SHAPE, NAMES, tmp_path / "reader.pt")
    latents, asked = latents_and_conditions(1)
    assert torch.equal(ConditionCorrection(unknown)(latents, asked), latents)


def test_elimination_solves_what_the_library_solves():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(20, 4, 4, generator=generator) + 3 * torch.eye(4)
    right = torch.randn(20, 4, generator=generator)
    torch.testing.assert_close(solve(matrix, right), torch.linalg.solve(matrix, right), atol=1e-4, rtol=1e-4)


def table(path: Path, slope: float, offset: float, number: int = 20) -> Path:
    """A table of brain-bundles measure: measured ventricles are a line of the recorded ones, brains are exact."""
    lines = ["participant_id\tventricular_volume\tbrain_volume\trecorded_ventricular_volume\trecorded_brain_volume"]
    for i in range(number):
        ventricles, brain = 10.0 + 3 * i, 900.0 + 20 * (i * 7 % 20)
        lines.append(f"sub-{i:02d}\t{slope * ventricles + offset}\t{brain}\t{ventricles}\t{brain}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_calibration_undoes_the_line_of_generated_brains(reader, tmp_path):
    """Generated ventricles measure 0.8 v + 2, others 0.95 v - 1: who wants 40 mL has to aim at (37 - 2) / 0.8 mL."""
    own = ConditionReader(SHAPE, 4)
    generated, other = table(tmp_path / "a.tsv", 0.8, 2.0), table(tmp_path / "b.tsv", 0.95, -1.0)
    lines = calibrate_condition_reader(own, tmp_path / "r.pt", generated=generated, reference=other, bounds=BOUNDS)
    assert lines["ventricular_volume"] == pytest.approx((0.95 / 0.8, -3 / 0.8))
    assert lines["brain_volume"] == pytest.approx((1.0, 0.0), abs=1e-6)
    low, high = BOUNDS["ventricular_volume"]
    asked = torch.tensor([[0.0, 0.3, (40 - low) / (high - low), 0.6]])
    aim = load_weights(ConditionReader(SHAPE, 4), tmp_path / "r.pt").wanted(asked)[0]
    assert float(aim[2]) * (high - low) + low == pytest.approx((37 - 2) / 0.8, rel=1e-5)
    assert [float(aim[1]), float(aim[3])] == pytest.approx([0.3, 0.6], abs=1e-5)
    # A second round, on brains that the first has brought near: 0.98 v - 0.5 instead of 0.95 v - 1.
    again = table(tmp_path / "c.tsv", 0.98, -0.5)
    second = calibrate_condition_reader(own, tmp_path / "r.pt", generated=again, reference=other, bounds=BOUNDS)
    factor, offset = second["ventricular_volume"]
    through = factor * 40 + offset
    assert 0.98 * through - 0.5 == pytest.approx(37)
    expected = (0.95 * through - 1 - 2) / 0.8
    assert float(own.wanted(asked)[0, 2]) * (high - low) + low == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("slope", "number", "message"),
    [(0.1, 20, "ventricular_volume hardly follows what was asked for"), (0.8, 5, "has 5 brains with")],
)
def test_tables_that_say_too_little_are_refused(tmp_path, slope, number, message):
    good, bad = table(tmp_path / "b.tsv", 1.0, 0.0), table(tmp_path / "a.tsv", slope, 0.0, number)
    with pytest.raises(ValueError, match=message):
        calibrate_condition_reader(
            ConditionReader(SHAPE, 4), tmp_path / "r.pt", generated=bad, reference=good, bounds=BOUNDS
        )
    (tmp_path / "c.tsv").write_text("participant_id\tbrain_volume\nsub-1\t1000\n")
    with pytest.raises(ValueError, match="lacks recorded_ventricular_volume and ventricular_volume"):
        calibrate_condition_reader(
            ConditionReader(SHAPE, 4),
            tmp_path / "r.pt",
            generated=tmp_path / "c.tsv",
            reference=good,
            bounds=BOUNDS,
        )
