import json

import numpy as np
import pytest
import torch
from brain_bundles.evaluation.features import EncoderRecord, compare_features, markdown, write_comparisons
from brain_bundles.evaluation.features.comparison import METRICS
from brain_bundles.metrics import (
    expected_coverage,
    frechet_distance,
    kernel_distance,
    neighbourhood_scores,
    squared_mmd,
)

ENCODER = EncoderRecord("test encoder", "ab" * 32, "z-score", 4, {"layers": ["a"]})


def gaussian(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


@pytest.fixture(scope="module")
def comparison():
    return compare_features(gaussian(40, 0), gaussian(30, 1, 0.8), ENCODER, name="shifted", splits=10, num_resamples=20)


def test_it_states_all_that_is_needed_to_read_it(comparison):
    record = json.loads(json.dumps(comparison.as_json(), allow_nan=False))
    assert (record["num_reference"], record["num_compared"], record["k"]) == (40, 30, 5)
    assert record["encoder"] == {
        "name": "test encoder",
        "weights": "ab" * 32,
        "normalisation": "z-score",
        "num_features": 4,
        "settings": {"layers": ["a"]},
    }
    assert record["equal"]["num"] == 20
    for part in (record["values"], record["standard_errors"], record["equal"]["real"], record["equal"]["compared"]):
        assert set(part) == set(METRICS)


def test_values_are_those_of_all_vectors(comparison):
    x, y = gaussian(40, 0), gaussian(30, 1, 0.8)
    assert comparison.values["frechet_distance"] == frechet_distance(x, y)
    assert comparison.values["kernel_distance"] == comparison.kernel.mean
    assert abs(comparison.kernel.mean - squared_mmd(x, y)) < 3 * comparison.kernel.std / 10
    assert comparison.kernel.subset_size == kernel_distance(x, y).subset_size == 15
    for name, value in neighbourhood_scores(x, y).means().items():
        assert comparison.values[name] == value


def test_real_against_real_is_better_than_a_shifted_set_at_equal_numbers(comparison):
    real, other = comparison.equal.real, comparison.equal.compared
    for distance in ("frechet_distance", "kernel_distance"):
        assert real[distance][0] < 0.5 * other[distance][0]
    for score in ("precision", "recall", "density", "coverage"):
        assert real[score][0] > other[score][0]
    assert comparison.equal.expected_coverage == expected_coverage(20, 20)
    assert abs(real["coverage"][0] - comparison.equal.expected_coverage) < 0.1


def test_another_set_of_the_same_distribution_is_as_near_as_real_ones():
    """What equal numbers are for: over all vectors its distance is smaller, only because there are more."""
    same = compare_features(gaussian(60, 0), gaussian(60, 1), ENCODER, num_resamples=0)
    real, other = (one["frechet_distance"] for one in (same.equal.real, same.equal.compared))
    assert same.equal.num == 30
    assert abs(real[0] - other[0]) < 2 * (real[1] + other[1]) / 2
    assert same.values["frechet_distance"] < 0.8 * other[0]
    assert same.standard_errors is same.intervals is None


def test_the_number_of_compared_vectors_bounds_the_halves():
    few = compare_features(gaussian(40, 0), gaussian(7, 1), ENCODER, num_resamples=0, splits=3)
    assert few.equal.num == 7


def test_a_copy_of_the_reference_has_distance_0_over_all_and_not_at_equal_numbers():
    x = gaussian(40, 0)
    copy = compare_features(x, x, ENCODER, num_resamples=0, splits=5)
    assert copy.values["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert copy.values["coverage"] == 1
    assert copy.equal.compared["frechet_distance"][0] > 0.05


def test_intervals_hold_the_truth_as_often_as_they_say():
    """The kernel distance of two sets of one distribution is 0 on average; precision cannot be above 1."""
    found = [
        compare_features(gaussian(40, i), gaussian(40, 1000 + i), ENCODER, splits=1, num_resamples=60)
        for i in range(60)
    ]
    ends = [one.intervals["kernel_distance"] for one in found]
    assert 0.85 <= np.mean([low < 0 < high for low, high in ends]) <= 1
    for one in found:
        for metric, (low, high) in one.intervals.items():
            assert low <= one.values[metric] <= high or metric == "kernel_distance"  # a mean over subsets
        assert one.intervals["precision"][1] <= 1
        assert one.intervals["frechet_distance"][0] >= 0


def test_standard_errors_are_the_spread_of_new_draws():
    """Halves tend to be a little too careful; a bootstrap gives recall twice its spread.

    docs/explanation/feature_distances.md has the table.
    """
    draws = range(40)
    found = [
        compare_features(gaussian(40, 2 * i), gaussian(40, 2 * i + 1, 0.6), ENCODER, splits=1, num_resamples=20)
        for i in draws
    ]
    for metric in METRICS:
        true = np.std([one.values[metric] for one in found], ddof=1)
        said = np.mean([one.standard_errors[metric] for one in found])
        assert 0.75 < said / true < 1.8, (metric, said, true)


def test_draws_depend_on_the_seed_alone():
    sets = gaussian(30, 0), gaussian(30, 1)
    options = {"splits": 2, "num_resamples": 3}
    one, again, other = (compare_features(*sets, ENCODER, seed=seed, **options) for seed in (1, 1, 2))
    assert one == again
    assert one.equal.real != other.equal.real
    assert one.standard_errors != other.standard_errors


def test_what_is_refused():
    x = gaussian(40, 0)
    with pytest.raises(
        ValueError, match="needs 12 or more vectors of the reference and 12 or more of the compared set, got 11 and 40"
    ):
        compare_features(x[:11], x, ENCODER)
    with pytest.raises(ValueError, match=r"12 or more vectors of the reference and 6 or more .*, got 40 and 5"):
        compare_features(x, x[:5], ENCODER, num_resamples=0)
    with pytest.raises(ValueError, match=r"the compared set is \(40, 3\), expected \(N, 4\) features of test encoder"):
        compare_features(x, x[:, :3], ENCODER)
    with pytest.raises(ValueError, match="0 or 2 resamples or more, got 0 and 5"):
        compare_features(x, x, ENCODER, splits=0, num_resamples=5)
    # Just enough: every half has more than k vectors.
    compare_features(x[:12], x[:12], ENCODER, splits=1, num_resamples=2)


def test_the_table_and_the_files(comparison, tmp_path):
    other = EncoderRecord("second", "values:" + "c" * 32, "none", 4)
    second = compare_features(gaussian(40, 0), gaussian(30, 1), other, splits=1, num_resamples=0)
    write_comparisons(tmp_path / "new", [comparison, second])
    text = (tmp_path / "new" / "features.md").read_text(encoding="utf-8")
    assert text == markdown([comparison, second])
    lines = text.splitlines()
    assert lines[0].startswith("| set | encoder | N reference | N | Fréchet ↓ | KID ↓ | precision ↑")
    error = comparison.standard_errors["frechet_distance"]
    shown = f"{comparison.values['frechet_distance']:.4g} ± {error:.2g}"
    assert lines[2].startswith(f"| shifted | test encoder (abababababab) | 40 | 30 | {shown} |")
    assert lines[3].startswith("| shifted, equal N | test encoder (abababababab) | 20 | 20 |")
    assert lines[4].startswith("| real against real, equal N | test encoder (abababababab) | 20 | 20 |")
    assert lines[5].startswith("| compared | second (values:cccccccccccc) | 40 | 30 |")
    assert "±" not in "".join(lines[5:8])
    assert {line.count("|") for line in lines[:8]} == {11}
    assert f"- test encoder: weights `{'ab' * 32}`; 4 features; normalisation: z-score; layers ['a']." in lines
    assert "- second: weights" in text
    stored = json.loads((tmp_path / "new" / "features.json").read_text(encoding="utf-8"))
    assert stored["comparisons"] == json.loads(json.dumps([comparison.as_json(), second.as_json()]))
    assert stored["comparisons"][1]["equal"]["real"]["recall"][1] is None
