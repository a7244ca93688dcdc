"""The shipped coefficients against the adults that they were fitted to."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.data.covariates import CONTINUOUS
from brain_bundles.phantom import PopulationModel

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def adults(real_data_dir: Path) -> list[dict[str, str]]:
    with open(real_data_dir / "population" / "ixi_covariates.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_refitting_gives_the_shipped_coefficients(adults):
    fitted, shipped = PopulationModel.fit(adults), PopulationModel.default()
    for name in ("weight", "mean", "covariance"):  # shipped with seven decimals
        np.testing.assert_allclose(getattr(fitted, name), getattr(shipped, name), atol=1e-6)


@pytest.mark.parametrize("sex", ["F", "M"])
def test_draws_resemble_the_real_adults(adults, sex):
    draws = [p for p in PopulationModel.default().sample(40_000, np.random.default_rng(2)) if p.sex == sex]
    real = np.array([[float(row[name]) for name in CONTINUOUS] for row in adults if row["sex"] == sex])
    ours = np.array([[getattr(p, name) for name in CONTINUOUS] for p in draws])
    n = len(real)
    # Two standard errors of the real sample (103 men, 188 women).
    np.testing.assert_allclose((ours.mean(0) - real.mean(0)) / real.std(0), 0, atol=2 / np.sqrt(n))
    np.testing.assert_allclose(ours.std(0) / real.std(0), 1, atol=2 / np.sqrt(n))
    np.testing.assert_allclose(np.corrcoef(ours.T), np.corrcoef(real.T), atol=2 / np.sqrt(n))
    assert len(draws) / 40_000 == pytest.approx(n / len(adults), abs=0.01)
    for quantile in (5, 25, 50, 75, 95):  # shares of real adults below the quantiles of the draws: 3 standard errors
        share = (real < np.percentile(ours, quantile, axis=0)).mean(0)
        np.testing.assert_allclose(share, quantile / 100, atol=3 * np.sqrt(quantile / 100 * (1 - quantile / 100) / n))
