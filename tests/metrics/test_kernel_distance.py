import pytest
import torch
from brain_bundles.metrics import kernel_distance, squared_mmd


def gaussian(n: int, f: int, seed: int) -> torch.Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(x: torch.Tensor, y: torch.Tensor) -> float:
    """The definition, pair by pair."""

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a * b).sum() / len(a) + 1) ** 3

    def within(z: torch.Tensor) -> float:
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(kernel(z[i], z[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


def test_the_definition_pair_by_pair():
    x, y = gaussian(7, 5, 0), gaussian(9, 5, 1) + 0.4
    assert squared_mmd(x, y) == pytest.approx(by_loops(x, y))


def test_two_points_by_hand():
    """x = 1 and y = 0 with one feature: (1 + 1)^3 + 1 - 2."""
    assert squared_mmd(torch.ones(2, 1), torch.zeros(2, 1)) == pytest.approx(7.0)


def test_it_is_unbiased():
    """Sets of one distribution: 0 on average, and negative about as often as positive, however few the vectors."""
    values = torch.tensor([squared_mmd(gaussian(6, 3, 2 * i), gaussian(6, 3, 2 * i + 1)) for i in range(400)])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert 0.35 < (values < 0).double().mean() < 0.75


def test_a_gaussian_shift_has_the_analytic_value():
    """With one feature, x ~ N(0, 1) and y ~ N(d, 1) the kernel is 1 + 3 xy + 3 x2y2 + x3y3: moments up to the third.

    E x = 0, E x2 = 1, E x3 = 0; E y = d, E y2 = 1 + d2, E y3 = d3 + 3 d.
    """
    d = 0.8
    moments = torch.tensor([[0, 1, 0], [d, 1 + d**2, d**3 + 3 * d]])
    expected = float((torch.tensor([3.0, 3, 1]) * (moments[0] - moments[1]) ** 2).sum())
    values = torch.tensor([squared_mmd(gaussian(40, 1, 2 * i), gaussian(40, 1, 2 * i + 1) + d) for i in range(400)])
    assert abs(float(values.mean()) - expected) < 3 * float(values.std()) / 20
    assert expected > 10 * float(values.std()) / 20


def test_subsets_have_the_same_mean_and_a_spread():
    x, y = gaussian(60, 4, 0), gaussian(50, 4, 1) + 0.5
    result = kernel_distance(x, y, num_subsets=400)
    assert (result.subset_size, result.num_subsets) == (25, 400)
    assert result.std > 0
    assert abs(result.mean - squared_mmd(x, y)) < 4 * result.std / 20
    assert kernel_distance(x, y, subset_size=10).std > 1.3 * kernel_distance(x, y, subset_size=40).std
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, seed=1) != kernel_distance(x, y, seed=2)


def test_symmetry_and_rotation():
    x, y = gaussian(12, 4, 0), gaussian(15, 4, 1) + 1
    rotation = torch.linalg.qr(gaussian(4, 4, 2)).Q
    assert squared_mmd(y, x) == pytest.approx(squared_mmd(x, y))
    assert squared_mmd(x @ rotation, y @ rotation) == pytest.approx(squared_mmd(x, y))


def test_what_is_refused():
    x = gaussian(10, 3, 0)
    with pytest.raises(ValueError, match="at least 4 vectors in each set, got 10 and 3"):
        kernel_distance(x, x[:3])
    with pytest.raises(ValueError, match="at least 20 vectors in each set, got 10 and 10"):
        kernel_distance(x, x, subset_size=20)
    with pytest.raises(ValueError, match="must be at least 2, got 1 and 100"):
        kernel_distance(x, x, subset_size=1)
    with pytest.raises(ValueError, match="must be at least 2, got None and 1"):
        kernel_distance(x, x, num_subsets=1)
    with pytest.raises(ValueError, match="at least 2 vectors"):
        squared_mmd(x, x[:1])
