import numpy as np
import prdc
import pytest
import torch
from brain_bundles.metrics import expected_coverage, neighbourhood_scores


def gaussian(n: int, f: int, seed: int) -> torch.Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(real: np.ndarray, made: np.ndarray, k: int) -> dict[str, float]:
    """The definitions of both papers, vector by vector."""

    def radius(z: np.ndarray, i: int) -> float:
        return sorted(float(np.linalg.norm(z[i] - z[j])) for j in range(len(z)) if j != i)[k - 1]

    def inside(a: np.ndarray, z: np.ndarray, i: int) -> bool:
        return float(np.linalg.norm(a - z[i])) < radius(z, i)

    return {
        "precision": sum(any(inside(a, real, i) for i in range(len(real))) for a in made) / len(made),
        "recall": sum(any(inside(a, made, i) for i in range(len(made))) for a in real) / len(real),
        "density": sum(inside(a, real, i) for a in made for i in range(len(real))) / (k * len(made)),
        "coverage": sum(any(inside(a, real, i) for a in made) for i in range(len(real))) / len(real),
    }


@pytest.mark.parametrize(("n", "m", "k", "shift"), [(20, 14, 5, 0.5), (8, 25, 3, 1.5), (12, 12, 1, 0.0)])
def test_the_definitions_vector_by_vector(n, m, k, shift):
    x, y = gaussian(n, 3, 0), 0.8 * gaussian(m, 3, 1) + shift
    scores = neighbourhood_scores(x, y, k=k).means()
    assert scores == pytest.approx(by_loops(x.numpy(), y.numpy(), k))
    assert 0 < scores["precision"] < 1 or 0 < scores["coverage"] < 1


def test_it_agrees_with_the_authors_package():
    x, y = gaussian(60, 8, 0), 1.2 * gaussian(40, 8, 1) + 0.2
    theirs = prdc.compute_prdc(x.numpy(), y.numpy(), nearest_k=5)
    assert neighbourhood_scores(x, y).means() == pytest.approx(theirs)


def test_a_line_by_hand():
    """Reference 0, 1, 3 with k = 1: radii 1, 1, 2. Compared 0.5 and 9: radii 8.5."""
    scores = neighbourhood_scores(torch.tensor([[0.0], [1], [3]]), torch.tensor([[0.5], [9]]), k=1)
    assert scores.precision.tolist() == [1, 0]
    assert scores.recall.tolist() == [1, 1, 1]
    assert scores.density.tolist() == [2, 0]
    assert scores.coverage.tolist() == [1, 1, 0]


def test_equal_distributions_have_density_1_and_the_coverage_of_theory():
    """Naeem et al. 2020: both expectations hold for every continuous distribution and number of features."""
    found = [neighbourhood_scores(gaussian(30, 6, 2 * i), gaussian(20, 6, 2 * i + 1)).means() for i in range(100)]
    density, coverage = (np.array([one[name] for one in found]) for name in ("density", "coverage"))
    assert abs(density.mean() - 1) < 3 * density.std() / 10
    assert abs(coverage.mean() - expected_coverage(30, 20)) < 3 * coverage.std() / 10
    assert expected_coverage(10**6, 10**6) == pytest.approx(1 - 2**-5, abs=1e-5)


def test_fewer_modes_cost_recall_and_coverage_and_no_precision():
    modes = torch.tensor([[0.0, 0], [50, 0]], dtype=torch.float64)
    reference = torch.cat([gaussian(40, 2, i) + mode for i, mode in enumerate(modes)])
    scores = neighbourhood_scores(reference, gaussian(80, 2, 5)).means()
    assert scores["precision"] > 0.9
    assert 0.3 < scores["recall"] <= 0.5
    assert 0.3 < scores["coverage"] <= 0.5


def test_far_away_nothing_is_reached():
    scores = neighbourhood_scores(gaussian(20, 2, 0), gaussian(20, 2, 1) + 100).means()
    assert scores == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_a_collapsed_encoder_scores_0():
    same = torch.ones(10, 4)
    assert set(neighbourhood_scores(same, same).means().values()) == {0.0}


def test_invariances():
    x, y = gaussian(20, 3, 0), gaussian(25, 3, 1) + 0.3
    rotation = torch.linalg.qr(gaussian(3, 3, 2)).Q
    scores = neighbourhood_scores(x, y).means()
    assert neighbourhood_scores(7 * x @ rotation + 1, 7 * y @ rotation + 1).means() == pytest.approx(scores)
    swapped = neighbourhood_scores(y, x).means()
    assert (swapped["precision"], swapped["recall"]) == (scores["recall"], scores["precision"])


def test_long_vectors_that_are_near_to_each_other_keep_their_digits():
    x, y = gaussian(15, 3, 0), gaussian(15, 3, 1)
    far = 1e6
    assert neighbourhood_scores(x + far, y + far).means() == neighbourhood_scores(x, y).means()


def test_what_is_refused():
    x = gaussian(6, 2, 0)
    assert neighbourhood_scores(x, x).k == 5
    with pytest.raises(ValueError, match="5 nearest neighbours needs at least 6 vectors in each set, got 6 and 5"):
        neighbourhood_scores(x, x[:5])
    with pytest.raises(ValueError, match="k is 0"):
        neighbourhood_scores(x, x, k=0)
