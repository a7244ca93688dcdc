"""Ridge regression of age and sex: scikit-learn is the oracle, files keep it, other features are refused."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data import class_names
from brain_bundles.evaluation.image_regressor import LEVELS, PENALTIES, ImageRegressor, structure_levels
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
    found = ImageRegressor.fit(features, ages).predict(features)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert np.corrcoef(found, ages)[0, 1] > 0.99


def test_a_file_keeps_it(people, tmp_path):
    features, ages = people
    fitted = ImageRegressor.fit(features, ages)
    fitted.save(tmp_path / "age.json")
    loaded = ImageRegressor.load(tmp_path / "age.json").predict(features)
    np.testing.assert_allclose(loaded, fitted.predict(features), rtol=1e-5)


@pytest.mark.parametrize(("name", "low", "high"), [("age", 30, 80), ("sex", 0.3, 0.7)])
def test_those_that_come_along_are_for_levels_and_volumes(name, low, high):
    structures = len(class_names()) - 1
    regressor = ImageRegressor.load(name)
    assert len(regressor.weights) == len(LEVELS) * structures + 3 + structures
    assert low < regressor.predict(regressor.centre)[0] < high  # of the middle of its training set


def test_other_features_are_refused(people):
    with pytest.raises(ValueError, match="3 features, the regression was fitted to 8"):
        ImageRegressor.fit(*people).predict(np.zeros((2, 3)))


def test_levels_are_relative_to_the_brain_whatever_its_scale():
    """White matter of 2, cortex of 1, nothing else: the brain's median is 1.5 when both are as large."""
    classes = np.zeros((4, 10, 10), int)
    classes[0], classes[1] = class_names().index("white_matter"), class_names().index("cortex")
    image = np.where(classes == classes[0, 0, 0], 2.0, 1.0).astype(np.float32)
    levels = structure_levels(image, classes).reshape(-1, 3)
    assert len(levels) == len(class_names()) - 1
    np.testing.assert_allclose(levels[classes[0, 0, 0] - 1], 2 / 1.5)
    np.testing.assert_allclose(levels[classes[1, 0, 0] - 1], 1 / 1.5)
    others = np.delete(levels, [classes[0, 0, 0] - 1, classes[1, 0, 0] - 1], axis=0)
    np.testing.assert_array_equal(others, 1.0)
    np.testing.assert_allclose(structure_levels(7 * image, classes).reshape(-1, 3), levels, rtol=1e-6)
    np.testing.assert_array_equal(structure_levels(image, np.zeros_like(classes)), 1.0)
