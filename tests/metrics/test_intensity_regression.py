import numpy as np
import pytest
import torch
from brain_bundles.metrics import IntensityRegression


def fitted(source, target, **options) -> IntensityRegression:
    source, target = torch.as_tensor(source), torch.as_tensor(target)
    regression = IntensityRegression(**options)
    regression.update(source, target, torch.ones_like(source, dtype=torch.bool))
    return regression


def test_a_function_of_the_intensity_is_found():
    x = torch.linspace(0.001, 1, 100_000, dtype=torch.float64)
    regression = fitted(x, torch.sin(6 * x))
    inner = torch.linspace(0.01, 0.99, 999)
    # Half of h^2 / 8 max |f''|, twice (mean over a bin, chord between two), with h = 1 / 256 and f'' = 36.
    torch.testing.assert_close(regression.predict(inner), torch.sin(6 * inner), atol=2e-4, rtol=0)


def test_it_is_the_mean_where_the_target_varies():
    """At source 0.25 the target is 0.2 three times and 0.6 once."""
    regression = fitted([0.25] * 4 + [0.75], [0.2, 0.2, 0.2, 0.6, 1.0], num_bins=2)
    assert regression.predict(torch.tensor([0.25])).item() == pytest.approx(0.3)


def test_updates_add_up():
    x = torch.rand(2000, generator=torch.Generator().manual_seed(0))
    at_once, in_parts = fitted(x, x**2), fitted(x[:500], x[:500] ** 2)
    in_parts.update(x[500:], x[500:] ** 2, torch.ones(1500, dtype=torch.bool))
    for found, expected in zip(in_parts.curve, at_once.curve, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)  # order of float64 sums


def test_empty_bins_are_interpolated_and_the_ends_are_constant():
    regression = fitted([0.125, 0.875], [0.2, 0.8], num_bins=4)  # the centres of the first and the last bin
    query = torch.tensor([0.01, 0.125, 0.5, 0.875, 1.0])
    torch.testing.assert_close(regression.predict(query), torch.tensor([0.2, 0.2, 0.5, 0.8, 0.8]))


def test_zero_stays_zero_and_does_not_touch_the_lowest_bin():
    regression = fitted([0.0, 0.1, 0.9], [1.0, 0.3, 0.3], num_bins=2)
    torch.testing.assert_close(regression.predict(torch.tensor([0.0, 1e-6, 0.5])), torch.tensor([0.0, 0.3, 0.3]))


def test_zero_inside_the_mask_is_tissue_with_a_mean_of_its_own():
    regression = fitted([0.0, 0.0, 0.1, 0.9], [1.0, 0.5, 0.3, 0.3], num_bins=2)
    query, mask = torch.tensor([0.0, 0.0, 0.5]), torch.tensor([True, False, True])
    torch.testing.assert_close(regression.predict(query, mask), torch.tensor([0.75, 0.0, 0.3]))
    never = fitted([0.1, 0.9], [0.3, 0.3], num_bins=2)
    torch.testing.assert_close(never.predict(query, mask), torch.tensor([0.0, 0.0, 0.3]))


def test_only_the_mask_counts():
    regression = IntensityRegression()
    regression.update(torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.9]), torch.tensor([True, False]))
    assert regression.predict(torch.tensor([0.5])).item() == pytest.approx(0.2)


def test_shape_and_type_are_kept():
    volume = torch.rand(1, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    answer = fitted(volume, volume).predict(volume)
    assert (answer.shape, answer.dtype) == (volume.shape, torch.float32)


def test_bad_input_is_named():
    regression = IntensityRegression()
    with pytest.raises(RuntimeError, match="has seen no voxel; call update"):
        regression.predict(torch.zeros(3))
    one = torch.ones(2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(3,\) and \(2,\), expected one shape"):
        regression.update(torch.zeros(2), torch.zeros(3), one)
    with pytest.raises(ValueError, match=r"source has values from 0.5 to 255, expected \[0, 1\]"):
        regression.update(torch.tensor([0.5, 255.0]), torch.zeros(2), one)
    with pytest.raises(ValueError, match="source has values from nan to nan"):
        regression.update(torch.full((2,), torch.nan), torch.zeros(2), one)
    with pytest.raises(ValueError, match="target has NaN"):
        regression.update(torch.tensor([0.5, 0.6]), torch.full((2,), torch.nan), one)
    with pytest.raises(ValueError, match="num_bins must be at least 2, got 1"):
        IntensityRegression(1)
