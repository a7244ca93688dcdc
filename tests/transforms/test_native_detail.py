"""Detail of the source on the native grid: exact where the translation is a linear function of the source."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.transforms.native_detail import add_detail, local_slope


@pytest.fixture
def source() -> torch.Tensor:
    """A ball of textured tissue, brighter to the right, 0 outside."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(24.0) - 11.5] * 3, indexing="ij"))
    texture = 0.4 + 0.2 * torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0)) + 0.02 * grid[0]
    return (texture * (grid.norm(dim=0) < 9))[None]


@pytest.mark.parametrize("slope", [1.5, -0.7, 0.0])
def test_the_slope_of_a_linear_relation(source, slope):
    made = (slope * source + 0.4) * (source > 0)
    found = local_slope(source, made, epsilon=1e-9)
    torch.testing.assert_close(found[source > 0], torch.full_like(found[source > 0], slope), atol=1e-3, rtol=0)
    assert (found[source == 0] == 0).all()


def test_what_the_source_does_not_explain_gets_no_slope(source):
    flat = 0.6 * (source > 0)
    assert float(local_slope(flat, source).abs().max()) < 1e-3
    unrelated = torch.rand(source.shape, generator=torch.Generator().manual_seed(1)) * (source > 0)
    assert float(local_slope(source, unrelated).abs().mean()) < 0.2


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.1, 0.02), (300.0, 0.0)])
def test_detail_comes_back_where_the_relation_is_linear(source, gain, offset):
    """The native grid is that of the model here, interpolation is a blur, and the native scale differs by a line."""
    native = (gain * source + offset) * (source > 0)
    smooth = torch.nn.functional.avg_pool3d(source[None], 3, 1, 1)[0] * (source > 0)
    made = (0.2 + 0.5 * smooth) * (source > 0)
    found = add_detail(made, 0.5 * (source > 0), smooth, native)
    true = (0.2 + 0.5 * source) * (source > 0)
    inner = torch.nn.functional.avg_pool3d((source > 0).float()[None], 5, 1, 2)[0] > 0.999
    assert float((found - true)[inner].square().mean()) < 0.1 * float((made - true)[inner].square().mean())


def test_nothing_is_added_outside_of_the_source(source):
    made = torch.full_like(source, 0.3)
    assert torch.equal(add_detail(made, torch.ones_like(made), torch.zeros_like(made), source), made)
    found = add_detail(made, torch.ones_like(made), source, 10 * source)
    assert (found[source == 0] == 0.3).all()


def test_a_source_without_contrast_or_with_another_one_keeps_its_scale(source):
    """No line can be fitted to one value, and none that falls: the detail is the plain difference."""
    made, slope, flat = torch.zeros_like(source), torch.ones_like(source), 0.5 * (source > 0)
    torch.testing.assert_close(add_detail(made, slope, flat, source), (source - flat) * (source > 0))
    upside_down = (1 - source) * (source > 0)
    torch.testing.assert_close(add_detail(made, slope, source, upside_down), (upside_down - source) * (source > 0))
