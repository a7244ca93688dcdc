import math

import pytest
import torch
from brain_bundles.metrics import frechet_distance


def gaussian(n: int, f: int, seed: int) -> torch.Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(n: int, f: int, seed: int = 0) -> torch.Tensor:
    """Vectors whose mean is exactly 0 and whose covariance is exactly the identity."""
    x = gaussian(n, f, seed)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (n - 1))).T


def test_a_shift_is_squared():
    x, shift = gaussian(50, 6, 0), torch.tensor([3.0, 0, 0, 4, 0, 0], dtype=torch.float64)
    assert frechet_distance(x, x + shift) == pytest.approx(25.0)


def test_gaussians_that_do_not_commute():
    """C1 = I, so tr (C1 C2)^(1/2) is the sum of the roots of C2's eigenvalues: here of [[5, 2], [2, 2]], 6 and 1."""
    x = whitened(40, 2)
    root = torch.linalg.cholesky(torch.tensor([[5.0, 2], [2, 2]], dtype=torch.float64))
    y = whitened(30, 2, 1) @ root.T + torch.tensor([1.0, 0], dtype=torch.float64)
    assert frechet_distance(x, y) == pytest.approx(1 + 2 + 7 - 2 * (math.sqrt(6) + 1))


def test_two_covariances_by_the_square_root_of_their_product():
    """An independent way: eigenvalues of the product itself, which is not symmetric."""
    x, y = gaussian(60, 5, 0) @ gaussian(5, 5, 2), gaussian(80, 5, 1) @ gaussian(5, 5, 3) + 0.3
    roots = torch.linalg.eigvals(torch.cov(x.T) @ torch.cov(y.T)).real.sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + torch.cov(x.T).trace() + torch.cov(y.T).trace() - 2 * roots
    assert frechet_distance(x, y) == pytest.approx(float(expected))


@pytest.mark.parametrize(("n", "m", "f"), [(200, 150, 8), (9, 12, 40)])
def test_it_agrees_with_monai(n, m, f):
    """For fewer vectors than features MONAI adds 1e-6 to the diagonals: about 1e-4 less here."""
    from monai.metrics import FIDMetric

    x, y = gaussian(n, f, 0), 1.2 * gaussian(m, f, 1) + 0.1
    assert frechet_distance(x, y) == pytest.approx(float(FIDMetric()(y, x)), rel=1e-4 if n < f else 1e-9)


def test_fewer_vectors_than_features_by_hand():
    """Two vectors each, a along the first axis and b along the second: variances 2 and 8, no common direction."""
    x = torch.tensor([[1.0, 0, 0], [-1, 0, 0]])
    y = torch.tensor([[0.0, 2, 0], [0, -2, 0]])
    assert frechet_distance(x, y) == pytest.approx(10.0)
    assert frechet_distance(x, 2 * x) == pytest.approx(2 + 8 - 2 * 4)


@pytest.mark.parametrize(("n", "f"), [(30, 4), (6, 200)])
def test_invariances(n, f):
    x, y = gaussian(n, f, 0), 2 * gaussian(n + 3, f, 1) + 1
    value = frechet_distance(x, y)
    rotation = torch.linalg.qr(gaussian(f, f, 2)).Q
    assert value > 1
    assert frechet_distance(y, x) == pytest.approx(value)
    assert frechet_distance(x @ rotation + 5, y @ rotation + 5) == pytest.approx(value)
    assert frechet_distance(3 * x, 3 * y) == pytest.approx(9 * value)
    assert frechet_distance(x.flip(0), y) == pytest.approx(value)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-10 * value)
    assert frechet_distance(x, x) >= 0


def test_fewer_vectors_give_larger_distances_of_equal_distributions():
    few, many = (frechet_distance(gaussian(n, 16, 0), gaussian(n, 16, 1)) for n in (20, 500))
    assert few > 5 * many > 0


def test_what_is_refused():
    x = gaussian(3, 4, 0)
    with pytest.raises(ValueError, match="at least 2 vectors in each set, got 3 and 1"):
        frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match=r"of one encoder, got \(3, 4\) and \(3, 3\)"):
        frechet_distance(x, x[:, :3])
    with pytest.raises(ValueError, match="of one encoder"):
        frechet_distance(x[0], x[0])
    bad = x.clone()
    bad[2, 1] = torch.nan
    with pytest.raises(ValueError, match="1 vectors of the second set are not finite, the first is 2"):
        frechet_distance(x, bad)
