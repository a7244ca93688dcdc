"""Readings of made latents, and latents that are moved to them."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.utils import load_weights, save_network, with_recipe
from brain_mri_generator import (
    ConditionCorrection,
    ConditionReader,
    fit_condition_reader,
    load_condition_correction,
)
from brain_mri_generator.condition_correction import MOST
from brain_mri_generator.least_squares import solve

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


def test_latents_are_moved_until_volumes_read_as_asked_and_sex_and_age_are_left_alone(reader):
    latents, _ = latents_and_conditions(1)
    _, asked = latents_and_conditions(2)
    correct = ConditionCorrection(reader)
    moved = correct(correct(latents, asked), asked)
    wanted = reader.wanted(asked[:, 0])
    before, after = ((reader(one) - wanted)[:, 2:].abs().mean() for one in (latents, moved))
    assert float(after) < 0.02 * float(before)
    torch.testing.assert_close(wanted, asked[:, 0])  # nothing else is aimed at before a calibration
    other = asked.clone()
    other[:, :, :2] = 1 - other[:, :, :2]
    torch.testing.assert_close(correct(latents, other), correct(latents, asked), atol=0.02, rtol=0)
    # The move is along the population's: a place that no condition changes stays where it is.
    changed = (correct(latents, asked) - latents).square().mean((0, 2, 3, 4))
    region = (correct(latents, asked) - latents)[:, 1, 4:].square().mean()
    assert float(region) < 0.02 * float(changed.max())


def test_half_the_strength_goes_half_the_way(reader):
    latents, own = latents_and_conditions(1)
    asked = (own + latents_and_conditions(2)[1]) / 2  # near enough for one step
    whole = ConditionCorrection(reader)(latents, asked) - latents
    half = ConditionCorrection(reader, 0.5)(latents, asked) - latents
    torch.testing.assert_close(half, whole / 2, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match="condition_correction must be between 0 and 1"):
        ConditionCorrection(reader, 1.5)


def test_no_step_goes_further_than_people_vary(reader):
    """What no direction can reach, such as ventricles of many times the range, would leave all that a brain shows."""
    latents, asked = latents_and_conditions(1)
    move = ConditionCorrection(reader)(latents, torch.full_like(asked, 1000.0)) - latents
    longest = MOST * (reader.unit.view(-1, 1, 1, 1, 1) * reader.directions).abs().sum(0)
    assert bool((move.abs() <= longest + 1e-5).all())
    assert float(move.abs().max()) > 0.5 * float(longest.max())


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
