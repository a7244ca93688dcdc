import numpy as np
import pytest

pytest.importorskip("sklearn")
from brain_bundles.evaluation.populations.two_sample import logistic_regression, split_halves, tell_apart

LABELS = np.repeat([0, 1], 40)
GROUPS = [f"{which} {i}" for which in (0, 1) for i in range(40)]


def features(shift, seed=0):
    values = np.random.default_rng(seed).standard_normal((80, 3))
    values[40:, 1] += shift
    return values


def test_sets_apart_by_two_deviations_have_their_auc():
    """One feature of three, 2 deviations apart: Phi(2 / sqrt 2) = 0.921."""
    values = [tell_apart(logistic_regression(features(2.0, seed)), LABELS, GROUPS).auc for seed in range(8)]
    assert np.mean(values) == pytest.approx(0.921, abs=0.025)


def test_equal_sets_cannot_be_told_apart():
    """No bias below 0.5 either, which scores of different folds would have if they were compared."""
    results = [tell_apart(logistic_regression(features(0.0, seed)), LABELS, GROUPS, seed=seed) for seed in range(30)]
    assert np.mean([one.auc for one in results]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([one.lower <= 0.5 <= one.upper for one in results]) > 0.85
    assert (results[0].num_first, results[0].num_second) == (40, 40)


def test_a_group_is_never_in_training_and_test():
    """Labels depend on the group alone, which a feature names: known groups would be told apart, new ones are not."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 4)
    labels = rng.permutation(np.repeat([0, 1], 10))[groups]
    marks = np.eye(20)[groups]
    seen = []

    def classify(train, train_labels, test):
        seen.append(set(groups[train]) & set(groups[test]))
        return logistic_regression(marks)(train, train_labels, test)

    result = tell_apart(classify, labels, [str(group) for group in groups])
    assert seen == [set()] * 5
    assert result.auc < 0.7
    alone = tell_apart(logistic_regression(marks), labels, [str(i) for i in range(80)])
    assert alone.auc > 0.95


def test_unknown_numbers_tell_nothing():
    values = features(0.0)
    values[40:, 0] = np.nan  # known of the first set only
    values[:, 2] = np.nan  # known of nobody
    assert 0.25 < tell_apart(logistic_regression(values), LABELS, GROUPS).auc < 0.75


def test_halves_are_of_whole_groups():
    groups = [str(i // 3) for i in range(30)]
    labels = split_halves(groups, seed=0)
    assert labels.sum() == 15
    assert all(len({label for label, g in zip(labels, groups, strict=True) if g == group}) == 1 for group in groups)
    assert not np.array_equal(labels, split_halves(groups, seed=1))
    np.testing.assert_array_equal(labels, split_halves(groups, seed=0))


def test_one_group_is_refused():
    with pytest.raises(ValueError, match="at least 2 different people in each set, one has 1"):
        tell_apart(logistic_regression(features(1.0)), LABELS, ["a"] * 40 + GROUPS[40:])
