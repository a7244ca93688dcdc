"""Calibration of the reader: aims undo the lines of generated brains, for any number of instruments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.evaluation import KnownBrains
from brain_mri_generator import ConditionReader
from brain_mri_generator.condition_calibration import change_aims

SHAPE = (2, 6, 8, 6)
BOUNDS = {"age": (20.0, 90.0), "ventricular_volume": (5.0, 105.0), "brain_volume": (800.0, 1600.0)}


def brains(seed: int, number: int = 30, **measured: list) -> KnownBrains:
    """People of known volumes; each argument has the instruments of a volume, functions of what is known."""
    rng = np.random.default_rng(seed)
    known = {"ventricular_volume": rng.uniform(8, 60, number), "brain_volume": rng.uniform(900, 1400, number)}
    return KnownBrains(known, {name: [one(known) for one in found] for name, found in measured.items()})


def ventricles(slope: float, offset: float):
    return lambda known: slope * known["ventricular_volume"] + offset


def aim(reader: ConditionReader, **asked: float) -> dict[str, float]:
    """What is aimed at, years and mL, when these are asked for."""
    values = {"age": 50.0, "ventricular_volume": 40.0, "brain_volume": 1200.0} | asked
    scaled = [0.0, *((values[name] - low) / (high - low) for name, (low, high) in BOUNDS.items())]
    wanted = reader.wanted(torch.tensor([scaled]))[0, 1:].tolist()
    return {name: low + one * (high - low) for one, (name, (low, high)) in zip(wanted, BOUNDS.items(), strict=True)}


def test_an_aim_undoes_the_line_of_generated_brains():
    """Generated ventricles measure 0.8 v + 2, others 0.95 v - 1: who wants 40 mL has to aim at (37 - 2) / 0.8 mL."""
    reader = ConditionReader(SHAPE, 4)
    known = brains(1, ventricular_volume=[ventricles(0.95, -1)])
    generated = brains(0, ventricular_volume=[ventricles(0.8, 2)])
    lines = change_aims(reader, generated, known, BOUNDS, ["ventricular_volume"])
    assert lines == {"ventricular_volume": pytest.approx((0.95 / 0.8, -3 / 0.8))}
    found = aim(reader)
    assert found["ventricular_volume"] == pytest.approx((37 - 2) / 0.8, rel=1e-5)
    assert [found["age"], found["brain_volume"]] == pytest.approx([50, 1200], rel=1e-5)
    # A second round, on brains that the first has brought near: 0.98 v - 0.5 instead of 0.95 v - 1.
    again = brains(2, ventricular_volume=[ventricles(0.98, -0.5)])
    factor, offset = change_aims(reader, again, known, BOUNDS, ["ventricular_volume"])["ventricular_volume"]
    through = factor * 40 + offset
    assert 0.98 * through - 0.5 == pytest.approx(37)
    assert aim(reader)["ventricular_volume"] == pytest.approx((0.95 * through - 1 - 2) / 0.8, rel=1e-5)


def test_several_instruments_are_followed_by_their_mean():
    reader = ConditionReader(SHAPE, 4)
    generated = brains(0, ventricular_volume=[ventricles(0.8, 0), ventricles(0.5, 0)])
    known = brains(1, ventricular_volume=[ventricles(1, 0), ventricles(0.75, 0)])
    lines = change_aims(reader, generated, known, BOUNDS, ["ventricular_volume"])
    assert lines["ventricular_volume"][0] == pytest.approx((1 / 0.8 + 0.75 / 0.5) / 2)


@pytest.mark.parametrize(
    ("slope", "number", "message"),
    [(0.1, 30, r"ventricular_volume hardly follows what was asked for: slope 0\.10"), (0.8, 5, "5 brains have")],
)
def test_sets_that_say_too_little_are_refused(slope, number, message):
    good = brains(1, ventricular_volume=[ventricles(1, 0)])
    bad = brains(0, number, ventricular_volume=[ventricles(slope, 0)])
    with pytest.raises(ValueError, match=message):
        change_aims(ConditionReader(SHAPE, 4), bad, good, BOUNDS, ["ventricular_volume"])
    nothing = np.full(30, np.nan)  # a folder without a table
    unknown = KnownBrains({"ventricular_volume": nothing}, good.measured)
    with pytest.raises(ValueError, match="0 brains have ventricular_volume known"):
        change_aims(ConditionReader(SHAPE, 4), good, unknown, BOUNDS, ["ventricular_volume"])
