"""Spread of draws as an uncertainty: fits to made errors, and scores that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.evaluation.draw_calibration import fit_spread, score_spread
from brain_bundles.inferers import SpreadCalibration


def made_errors(scale: float, floor: float, number: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Absolute normal errors whose deviation is known, and the deviations of the draws."""
    random = np.random.default_rng(0)
    deviations = random.gamma(2.0, 0.02, number)
    return np.abs(random.normal(0, np.sqrt((scale * deviations) ** 2 + floor**2))), deviations


@pytest.mark.parametrize(("scale", "floor"), [(3.0, 0.05), (1.0, 0.01), (0.5, 0.1)])
def test_the_relation_of_made_errors_is_found(scale, floor):
    errors, deviations = made_errors(scale, floor)
    found = fit_spread(errors, deviations)
    # 95 % of normal errors are within 1.96 deviations, not 2.
    expected = (scale * 1.96 / 2, floor * 1.96 / 2)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.004 * (scale == 0.5) + 1e-9)
    calibrated = SpreadCalibration(*found, 5)(torch.from_numpy(deviations)).numpy()
    assert score_spread(errors, calibrated)["coverage"] == pytest.approx(0.95, abs=0.002)


def test_errors_with_heavy_tails_are_covered_too():
    random = np.random.default_rng(1)
    errors, deviations = np.abs(random.standard_t(3, 40_000)) * 0.05, np.full(40_000, 0.01)
    calibrated = SpreadCalibration(*fit_spread(errors, deviations), 5)(torch.from_numpy(deviations)).numpy()
    assert score_spread(errors, calibrated)["coverage"] == pytest.approx(0.95, abs=0.002)


def test_scores_of_two_voxels():
    scores = score_spread(np.array([0.1, 0.5]), np.array([0.1, 0.2]))
    assert scores["coverage"] == 0.5
    assert scores["mean_width"] == pytest.approx(0.6)
    assert scores["mean_absolute_error"] == pytest.approx(0.3)
    assert scores["width_by_error"] == pytest.approx(2.0)
    assert scores["rank_correlation"] == pytest.approx(1.0)
    assert np.isnan(score_spread(np.array([0.1, 0.5]), np.array([0.1, 0.1]))["rank_correlation"])


def test_impossible_numbers_are_refused():
    for numbers in ((-1.0, 0.0, 5), (1.0, float("nan"), 5), (1.0, 0.0, 0), (1.0, 0.0, 5, 1)):
        with pytest.raises(ValueError, match="impossible calibration of the draws"):
            SpreadCalibration(*numbers)


def test_fewer_draws_than_fitted_are_told(caplog):
    found = SpreadCalibration.by_target(
        {"num_inference_steps": 5, "num_draws": 4, "targets": {"T2w": {"scale": 1.0, "floor": 0.1}}}
    )
    found["T2w"].check(5, 4)
    assert caplog.text == ""
    found["T2w"].check(5, 3)
    assert "fitted to 4 draws; that of 3 covers fewer errors" in caplog.text
    with pytest.raises(ValueError, match="num_inference_steps 5, not for 2"):
        found["T2w"].check(2, 4)
