import numpy as np
import pytest
import torch
from brain_bundles.metrics import ms_ssim, ssim_maps
from monai.metrics import MultiScaleSSIMMetric
from monai.metrics.regression import compute_ssim_and_cs


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A random volume, and its mixture with another one."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, *shape, generator=generator)
    return first, 0.6 * first + 0.4 * second


@pytest.mark.parametrize("kernel_size", [3, 7])
def test_the_maps_are_those_of_monai(kernel_size):
    a, b = pair(12, 10, 14)
    expected = compute_ssim_and_cs(a[None, None], b[None, None], 3, (kernel_size,) * 3, (1.5,) * 3, data_range=2.0)
    for found, oracle in zip(ssim_maps(a, b, kernel_size=kernel_size, data_range=2.0), expected, strict=True):
        # Both take float32 variances as differences of squares, 1e-7, against a constant of 3.6e-3.
        torch.testing.assert_close(found, oracle[0, 0], atol=3e-5, rtol=0)


def test_the_map_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = pair(16, 18, 20)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    _, oracle = metrics.structural_similarity(a.double().numpy(), b.double().numpy(), full=True, **options)
    found, _ = ssim_maps(a, b, kernel_size=11)  # scikit-image's width: 3.5 standard deviations to either side
    np.testing.assert_allclose(found.numpy(), oracle[5:-5, 5:-5, 5:-5], atol=1e-4)  # float32 variances
    assert 0.1 < oracle.mean() < 0.9


def test_constant_volumes_have_the_similarity_of_their_levels():
    """No variance: (2 m n + c1) / (m^2 + n^2 + c1)."""
    ssim, contrast = ssim_maps(torch.full((8, 8, 8), 0.5), torch.full((8, 8, 8), 0.8))
    torch.testing.assert_close(contrast, torch.ones(2, 2, 2), atol=1e-3, rtol=0)  # 1e-7 / c2
    torch.testing.assert_close(ssim, torch.full((2, 2, 2), (0.8 + 1e-4) / (0.25 + 0.64 + 1e-4)), atol=1e-3, rtol=0)


def test_ms_ssim_is_that_of_monai():
    a, b = pair(48, 50, 52)
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=3)
    assert ms_ssim(a, b, kernel_size=3) == pytest.approx(float(metric(a[None, None], b[None, None])), abs=1e-5)
    assert 0.1 < ms_ssim(a, b, kernel_size=3) < 0.99


def test_opposite_volumes_have_no_ms_ssim():
    a, _ = pair(48, 48, 48)
    assert ms_ssim(a, 1 - a, kernel_size=3) == 0


def test_bad_windows_are_named():
    a, b = pair(6, 8, 8)
    with pytest.raises(ValueError, match="kernel_size must be odd and at least 3, got 4"):
        ssim_maps(a, b, kernel_size=4)
    with pytest.raises(ValueError, match=r"kernel_size 7 needs as many voxels a side, got \(6, 8, 8\)"):
        ssim_maps(a, b)
    with pytest.raises(ValueError, match="needs 80 voxels a side or more"):
        ms_ssim(a, b)
