import pytest
import torch
from brain_bundles.metrics import draw_pairs, ms_ssim_between, ms_ssim_over_pairs
from monai.metrics import MultiScaleSSIMMetric


def test_pairs_are_different_and_depend_on_the_seed():
    pairs = draw_pairs(10, 20, seed=3)
    assert len(set(pairs)) == 20
    assert all(0 <= i < j < 10 for i, j in pairs)
    assert pairs == draw_pairs(10, 20, seed=3)
    assert pairs != draw_pairs(10, 20, seed=4)


def test_all_pairs_where_there_are_fewer():
    assert draw_pairs(4, 1000, seed=0) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize(("items", "pairs"), [(1, 5), (0, 5), (4, 0)])
def test_no_pair_is_an_error(items, pairs):
    with pytest.raises(ValueError, match="at least 2 volumes"):
        draw_pairs(items, pairs, seed=0)


def test_equal_volumes_score_one():
    volume = torch.rand(48, 48, 48, generator=torch.Generator().manual_seed(0))
    result = ms_ssim_over_pairs(lambda i: volume, 3, kernel_size=3)
    assert result.mean == pytest.approx(1, abs=1e-5)  # float32 variances
    assert (result.num_pairs, result.kernel_size) == (3, 3)


def test_the_mean_is_that_of_monai_over_the_pairs():
    base = torch.rand(1, 48, 48, 48, generator=torch.Generator().manual_seed(0))
    other = torch.rand(1, 48, 48, 48, generator=torch.Generator().manual_seed(1))
    volumes = [base, 0.8 * base + 0.2 * other, 0.5 * base]
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=3)
    expected = [float(metric(volumes[i][None], volumes[j][None])) for i, j in ((0, 1), (0, 2), (1, 2))]
    result = ms_ssim_over_pairs(volumes.__getitem__, 3, kernel_size=3)
    assert result.mean == pytest.approx(sum(expected) / 3, abs=1e-6)
    assert 0 < result.mean < 1


def test_the_default_grid_admits_kernel_five_and_not_seven():
    volume = torch.rand(80, 96, 80, generator=torch.Generator().manual_seed(0))
    assert ms_ssim_over_pairs(lambda i: volume, 2).mean == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match=r"needs 112 voxels a side or more, got \(80, 96, 80\); kernel_size 5 works"):
        ms_ssim_over_pairs(lambda i: volume, 2, kernel_size=7)


def test_bad_volumes_are_named():
    with pytest.raises(ValueError, match="no kernel size works under 48"):
        ms_ssim_over_pairs(lambda i: torch.zeros(32, 48, 48), 2)
    with pytest.raises(ValueError, match=r"volume 0 has values from 0 to 255, expected \[0, 1\]"):
        ms_ssim_over_pairs(lambda i: torch.linspace(0, 255, 48**3).reshape(48, 48, 48), 2, kernel_size=3)
    with pytest.raises(ValueError, match=r"volume 1 has shape \(49, 48, 48\), the others \(48, 48, 48\)"):
        ms_ssim_over_pairs(lambda i: torch.zeros(48 + i, 48, 48), 2, kernel_size=3)
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        ms_ssim_over_pairs(lambda i: torch.zeros(80, 80, 80), 2, kernel_size=4)


def test_between_two_sets_every_pair_has_one_volume_of_each():
    base = torch.rand(1, 48, 48, 48, generator=torch.Generator().manual_seed(0))
    other = torch.rand(1, 48, 48, 48, generator=torch.Generator().manual_seed(1))
    first, second = [base, 0.5 * base], [0.8 * base + 0.2 * other, other, base]
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=3)
    expected = [float(metric(a[None], b[None])) for a in first for b in second]
    result = ms_ssim_between(first.__getitem__, 2, second.__getitem__, 3, kernel_size=3)
    assert result.mean == pytest.approx(sum(expected) / 6, abs=1e-6)
    assert result.num_pairs == 6
    drawn = ms_ssim_between(first.__getitem__, 2, second.__getitem__, 3, num_pairs=4, seed=1, kernel_size=3)
    assert drawn.num_pairs == 4
    with pytest.raises(ValueError, match="a volume of each set and num_pairs >= 1, got 2, 0 and 1000"):
        ms_ssim_between(first.__getitem__, 2, second.__getitem__, 0, kernel_size=3)
