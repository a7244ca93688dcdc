"""Ridge regression of age: scikit-learn is the oracle, files keep it, other features are refused."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.evaluation.age_regressor import PENALTIES, AgeRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def people() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 8)) * 10 ** rng.uniform(-3, 3, size=8)
    features[:, 7] = 4.0  # the same for all
    ages = 50 + 20 * (features[:, 0] / features[:, 0].std()) + rng.normal(size=60)
    return features, ages


def test_it_predicts_as_scikit_learn(people):
    features, ages = people
    expected = make_pipeline(StandardScaler(), RidgeCV(alphas=PENALTIES)).fit(features, ages).predict(features)
    found = AgeRegressor.fit(features, ages).predict(features)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert np.corrcoef(found, ages)[0, 1] > 0.99


def test_a_file_keeps_it(people, tmp_path):
    features, ages = people
    fitted = AgeRegressor.fit(features, ages)
    fitted.save(tmp_path / "age.pt")
    np.testing.assert_array_equal(AgeRegressor.load(tmp_path / "age.pt").predict(features), fitted.predict(features))


def test_other_features_are_refused(people):
    with pytest.raises(ValueError, match="3 features, the regression was fitted to 8"):
        AgeRegressor.fit(*people).predict(np.zeros((2, 3)))
