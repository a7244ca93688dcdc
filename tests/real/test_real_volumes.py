"""Measured volumes against a careful segmentation of 15 older adults (68 to 96 years, 22 to 124 mL)."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nilearn")
from brain_bundles.evaluation.measurement import CLASSICAL, NETWORK, Measurement, fidelity_of, measure_folder

pytestmark = pytest.mark.real


Measured = tuple[str, list[Measurement]]
# Smallest r, smallest and largest slope, smallest and largest mean relative error. The segmentation labels whole voxels
# up to half-way to white matter, and the choroid plexus: a tenth more for ventricles.
VENTRICLES = {CLASSICAL: (0.99, 0.9, 1.05, -0.15, 0.0), NETWORK: (0.995, 0.82, 1.05, -0.12, 0.0)}
BRAIN = {CLASSICAL: (0.98, 0.9, 1.1, -0.03, 0.03), NETWORK: (0.965, 0.9, 1.1, -0.05, 0.05)}


@pytest.fixture(scope="module", params=[CLASSICAL, NETWORK])
def measured(request, real_data_dir: Path) -> Measured:
    folder = real_data_dir / "t1_flair" / "derivatives" / "preproc"
    return request.param, measure_folder(folder, progress=False, method=request.param)


def test_every_brain_can_be_measured(measured):
    assert [f.n_unmeasured for f in fidelity_of(measured[1]).values()] == [0, 0]


@pytest.mark.parametrize(("volume", "bounds"), [("ventricular_volume", VENTRICLES), ("brain_volume", BRAIN)])
def test_volumes_follow_the_segmentation(measured, volume, bounds):
    method, measurements = measured
    fidelity = fidelity_of(measurements)[volume]
    r, least_slope, most_slope, least_error, most_error = bounds[method]
    assert fidelity.pearson_r > r
    assert least_slope < fidelity.slope < most_slope
    assert least_error < fidelity.mean_relative_error < most_error
