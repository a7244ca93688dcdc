"""The head population with real label maps, and against the adults that it was fitted to."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.phantom.heads import (
    Person,
    find_label_maps,
    fit_people,
    head_population,
    load_head,
    render_head,
)
from brain_bundles.phantom.heads.people import NAMES, plausible

pytestmark = pytest.mark.real
GRID = {"spatial_size": (80, 96, 80), "spacing": 2.0}


@pytest.fixture(scope="module")
def adults(real_data_dir: Path) -> list[dict[str, str]]:
    with open(real_data_dir / "population" / "ixi_volumes.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def maps() -> dict[str, Path]:
    folder = Path(os.environ.get("BRAIN_BUNDLES_ANATOMIES") or Path(__file__).parents[3] / "shared" / "anatomies")
    if not folder.is_dir():
        pytest.skip(f"no label maps in {folder}; set BRAIN_BUNDLES_ANATOMIES to a folder that has them")
    return find_label_maps(folder)


def test_refitting_gives_the_shipped_coefficients(adults):
    fitted, shipped = fit_people(adults), head_population()
    np.testing.assert_allclose(fitted.mean, shipped.mean, atol=1e-6)  # shipped with seven decimals
    np.testing.assert_allclose(fitted.covariance, shipped.covariance, atol=1e-6)


def test_real_adults_are_plausible(adults):
    people = [
        Person(
            sex=row["sex"],
            age=float(row["age"]),
            grey_matter_volume=float(row["grey_matter"]),
            **{name: float(row[name]) for name in NAMES[1:4]},
        )
        for row in adults
    ]
    assert np.mean([plausible(person) for person in people]) == 1.0


@pytest.mark.parametrize(("name", "mirrored"), [("training_seg_11", False), ("brain3", True)])
def test_one_person_of_a_real_map_ages_as_people_do(maps, name, mirrored):
    """A map with 39 mL of lesions, and one without CSF: volumes are met, and grey matter falls from 30 to 80 years."""
    atlas = load_head(maps[name])
    person = Person(30.0, "F", 10.0, 1220.0, 1400.0, 707.0)
    old = replace(person, age=80.0, ventricular_volume=45.0, brain_volume=1110.0, grey_matter_volume=577.0)
    thickness = []
    for who in (person, old):
        head = render_head(atlas, who, seed=2, mirrored=mirrored, **GRID)
        assert head.volume("ventricle") == pytest.approx(who.ventricular_volume, rel=0.02)
        assert head.volume("grey", "white") == pytest.approx(who.brain_volume, rel=0.02)
        assert head.volume("grey", "white", "ventricle", "csf") == pytest.approx(who.intracranial_volume, rel=0.02)
        assert head.volume("grey") == pytest.approx(who.grey_matter_volume, rel=0.02)
        thickness.append(head.shape.grey + max(head.shape.csf, 0.0) + 0.5 * min(head.shape.csf, 0.0))
    assert thickness[1] > thickness[0] + 0.3  # mm that the cortex lost from both sides
