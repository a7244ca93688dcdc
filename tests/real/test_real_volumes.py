"""Measured volumes against a careful segmentation of 15 older adults (68 to 96 years, 22 to 124 mL)."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nilearn")
from brain_bundles.evaluation.measurement import Measurement, fidelity_of, measure_folder

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def measurements(real_data_dir: Path) -> list[Measurement]:
    return measure_folder(real_data_dir / "t1_flair" / "derivatives" / "preproc", progress=False)


def test_every_brain_can_be_measured(measurements):
    assert [f.n_unmeasured for f in fidelity_of(measurements).values()] == [0, 0]


def test_ventricles_follow_the_segmentation(measurements):
    fidelity = fidelity_of(measurements)["ventricular_volume"]
    assert fidelity.pearson_r > 0.99
    assert 0.9 < fidelity.slope < 1.05
    # The segmentation labels whole voxels up to half-way to white matter, and the choroid plexus: a tenth more.
    assert -0.15 < fidelity.mean_relative_error < 0


def test_brain_volume_follows_the_segmentation(measurements):
    fidelity = fidelity_of(measurements)["brain_volume"]
    assert fidelity.pearson_r > 0.98
    assert 0.9 < fidelity.slope < 1.1
    assert abs(fidelity.mean_relative_error) < 0.03
