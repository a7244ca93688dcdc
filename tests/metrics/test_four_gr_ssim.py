"""4-G-R-SSIM by analytic cases and by its definition in full kernels with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.metrics import four_gr_ssim, four_gr_ssim_between, four_gr_ssim_over_pairs
from brain_bundles.metrics.four_gr_ssim import (
    CHANGED,
    PRESERVED,
    SMOOTH,
    TEXTURE,
    content_regions,
    gradient_magnitude,
)
from brain_bundles.metrics.ms_ssim_pairs import draw_pairs
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve


def blob(seed: int, sigma: float = 2.0, size: int = 28) -> torch.Tensor:
    """A smooth random volume in [0, 1], zero outside of a ball."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((size, size + 2, size)), sigma)
    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in noise.shape), indexing="ij"))
    volume = (noise - noise.min()) / (noise.max() - noise.min()) * (np.linalg.norm(place, axis=0) < 0.6)
    return torch.from_numpy(volume).float()


def by_definition(x: np.ndarray, y: np.ndarray, exponents: tuple[float, float, float] = (1, 1, 1)) -> float:
    """The definition step by step in float64, with full kernels, and no code of the metric."""
    plane = np.full((3, 3), 0.05)
    plane[1, 1] = 0.1
    kernels = []
    for axis in range(3):
        kernel = np.zeros((3, 3, 3))
        kernel[0], kernel[2] = -plane, plane
        kernels.append(np.moveaxis(kernel, 0, axis))

    def gradient(volume: np.ndarray) -> np.ndarray:
        return sum(np.abs(convolve(volume, kernel, mode="valid", method="direct")) for kernel in kernels)

    line = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.einsum("i,j,k->ijk", line, line, line)
    window /= window.sum()

    def mean(volume: np.ndarray) -> np.ndarray:
        return convolve(volume, window, mode="valid", method="direct")

    gx, gy = gradient(x), gradient(y)
    t1, t2 = 0.12 * gx.max(), 0.06 * gx.max()
    preserved = (gx > t1) & (gy > t1)
    changed = ((gx > t1) | (gy > t1)) & ~preserved
    smooth = (gx < t2) & (gy <= t1) & ~preserved & ~changed
    texture = ~(preserved | changed | smooth)
    c1, c2 = 0.01**2, 0.03**2
    mx, my = mean(x[1:-1, 1:-1, 1:-1]), mean(y[1:-1, 1:-1, 1:-1])
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    ex, ey, sx, sy = mean(gx), mean(gy), mean(gx**2), mean(gy**2)
    vx, vy = sx - ex**2 + 1e-5 * (sx + ex**2) / 2, sy - ey**2 + 1e-5 * (sy + ey**2) / 2
    deviations = np.sqrt(vx), np.sqrt(vy)
    contrast = (2 * deviations[0] * deviations[1] + c2) / (vx + vy + c2)
    structure = (mean(gx * gy) - ex * ey + c2 / 2) / (deviations[0] * deviations[1] + c2 / 2)
    structure[(sx == 0) != (sy == 0)] = 0
    structure[(sx == 0) & (sy == 0)] = 1
    a, b, c = exponents
    values = luminance**a * contrast**b * structure**c
    masks = [one[5:-5, 5:-5, 5:-5] for one in (preserved, changed, smooth, texture)]
    means = [values[one].mean() for one in masks if one.any()]
    return max(float(np.mean(means)), 0.0)


@pytest.mark.parametrize("exponents", [(1.0, 1.0, 1.0), (0.0, 0.0, 1.0), (1.0, 0.0, 1.0)])
@pytest.mark.parametrize("seeds", [(0, 1), (1, 0)])
def test_it_is_that_of_its_definition(seeds, exponents):
    x, y = blob(seeds[0]), blob(seeds[1], sigma=1.2)
    expected = by_definition(x.double().numpy(), y.double().numpy(), exponents)
    assert four_gr_ssim(x, y, exponents=exponents) == pytest.approx(expected, abs=2e-4)  # float32 variances
    assert 0.05 < expected < 0.95


def test_a_volume_is_like_itself():
    """But for the guard of the roots: 1e-5 of the mean square beside C3 = 4.5e-4."""
    assert four_gr_ssim(blob(0), blob(0)) == pytest.approx(1, abs=2e-3)
    assert four_gr_ssim(blob(0), blob(0), exponents=(1.0, 1.0, 0.0)) == pytest.approx(1, abs=1e-6)


def test_the_order_of_the_volumes_matters():
    """Gradients of the second volume are a third: places that are edges by its limits are none by the first one's."""
    x = blob(0)
    y = x / 3
    forward, backward = four_gr_ssim(x, y), four_gr_ssim(y, x)
    assert forward == pytest.approx(by_definition(x.double().numpy(), y.double().numpy()), abs=2e-4)
    assert backward == pytest.approx(by_definition(y.double().numpy(), x.double().numpy()), abs=2e-4)
    assert abs(forward - backward) > 0.01  # 0.404 and 0.417


def test_empty_regions_leave_their_weight_to_the_others():
    """Two constant volumes are texture alone: the score is the luminance of their levels, not a quarter of it."""
    x, y = torch.full((14, 14, 14), 0.5), torch.full((14, 14, 14), 0.8)
    assert content_regions(gradient_magnitude(x), gradient_magnitude(y)).unique().tolist() == [TEXTURE]
    expected = (2 * 0.4 + 1e-4) / (0.25 + 0.64 + 1e-4)
    assert four_gr_ssim(x, y) == pytest.approx(expected, abs=1e-5)
    empty = torch.zeros(14, 14, 14)
    assert four_gr_ssim(empty, empty) == 1


def test_a_flat_volume_has_no_structure_of_another():
    """Exactly one of the gradients is 0 everywhere: the structure is 0 and not C3 / C3 = 1."""
    x, flat = blob(0)[6:22, 6:22, 6:22], torch.full((16, 16, 16), 0.3)
    assert four_gr_ssim(x, flat) == four_gr_ssim(flat, x) == 0
    assert four_gr_ssim(x, flat, exponents=(1.0, 1.0, 0.0)) > 0.1


def test_opposed_structures_have_no_negative_score():
    """Bars whose edges lie where those of the other volume do not: the structure is -1."""
    bars = ((torch.arange(20) // 4) % 2).float()
    first = bars[:, None, None].expand(20, 16, 16)
    second = first.roll(2, 0)
    assert four_gr_ssim(first, second) == 0
    assert four_gr_ssim(first, second, exponents=(1.0, 1.0, 0.0)) > 0.5


def test_the_gradient_of_a_ramp_is_its_slope():
    ramp = 0.03 * torch.arange(8.0)[:, None, None] - 0.01 * torch.arange(9.0)[None, :, None] + torch.zeros(8, 9, 10)
    torch.testing.assert_close(gradient_magnitude(ramp), torch.full((6, 7, 8), 0.04), atol=1e-6, rtol=0)


def test_the_four_regions():
    """Largest gradient 1: edges are above 0.12, smooth is below 0.06."""
    first = torch.tensor([1.0, 0.5, 0.5, 0.05, 0.05, 0.05, 0.08, 0.08, 0.12])
    second = torch.tensor([1.0, 0.2, 0.1, 0.20, 0.12, 0.00, 0.00, 0.20, 0.12])
    expected = [PRESERVED, PRESERVED, CHANGED, CHANGED, SMOOTH, SMOOTH, TEXTURE, CHANGED, TEXTURE]
    assert content_regions(first, second).tolist() == expected


def test_pairs_are_scored_in_both_orders():
    volumes = [blob(seed, sigma) for seed, sigma in enumerate((2.0, 1.5, 1.0))]
    result = four_gr_ssim_over_pairs(volumes.__getitem__, 3, num_pairs=2, seed=5)
    pairs = draw_pairs(3, 2, 5)
    forward = [four_gr_ssim(volumes[i], volumes[j]) for i, j in pairs]
    backward = [four_gr_ssim(volumes[j], volumes[i]) for i, j in pairs]
    assert result.num_pairs == 2
    assert result.forward == pytest.approx(np.mean(forward))
    assert result.backward == pytest.approx(np.mean(backward))
    assert result.forward != pytest.approx(result.backward, abs=1e-4)
    assert result.mean == pytest.approx(np.mean([forward, backward]))
    assert result.std == pytest.approx(np.std(np.mean([forward, backward], axis=0), ddof=1))


def test_two_sets_swap_their_orders():
    generated, real = [blob(0), blob(1)], [blob(2, 1.0), blob(3, 1.0), blob(4, 1.0)]
    one = four_gr_ssim_between(generated.__getitem__, 2, real.__getitem__, 3)
    other = four_gr_ssim_between(real.__getitem__, 3, generated.__getitem__, 2)
    assert one.num_pairs == other.num_pairs == 6
    assert (one.forward, one.backward, one.mean) == pytest.approx((other.backward, other.forward, other.mean))
    assert one.forward != pytest.approx(one.backward, abs=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "exponents", "message"),
    [
        ((12, 14, 14), (12, 14, 14), (1.0, 1.0, 1.0), r"13 voxels a side or more, got \(12, 14, 14\)"),
        ((14, 14, 14), (14, 14, 15), (1.0, 1.0, 1.0), r"got \(14, 14, 14\) and \(14, 14, 15\)"),
        ((14, 14, 14), (14, 14, 14), (1.0, -1.0, 1.0), r"must not be negative, got \(1.0, -1.0, 1.0\)"),
    ],
)
def test_bad_inputs_are_named(first, second, exponents, message):
    with pytest.raises(ValueError, match=message):
        four_gr_ssim(torch.zeros(first), torch.zeros(second), exponents=exponents)


def test_values_beyond_the_unit_range_are_refused():
    volumes = [torch.zeros(14, 14, 14), torch.full((14, 14, 14), 2.0)]
    with pytest.raises(ValueError, match=r"volume 1 has values from 2 to 2, expected \[0, 1\]"):
        four_gr_ssim_over_pairs(volumes.__getitem__, 2)
    with pytest.raises(ValueError, match="pairs need a volume of each set"):
        four_gr_ssim_between(volumes.__getitem__, 0, volumes.__getitem__, 2)
