"""Power in bands: plane waves, white noise of a known variance, and blur of a known transfer function."""

import numpy as np
import pytest
from brain_bundles.metrics.power_bands import BANDS, BIN, band_power, radial_power
from scipy import ndimage

SIZE = (40, 48, 44)


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal(SIZE)


@pytest.mark.parametrize(("frequency", "band"), [(0.125, 0), (0.155, 1), (0.185, 2)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wave_has_its_power_in_its_band(frequency, band, axis):
    position = 2.0 * np.indices(SIZE)[axis]  # mm
    wave = np.cos(2 * np.pi * frequency * position)
    power = band_power(*radial_power(wave, np.ones(SIZE, bool), 2.0))
    assert power.argmax() == band
    assert power[band] > 0.9 * power.sum()


def test_noise_has_its_variance_in_every_bin():
    """The power of white noise is flat, and equals its variance, whatever the size of the brain."""
    whole, part = np.ones(SIZE, bool), np.zeros(SIZE, bool)
    part[5:29, 6:31, 7:30] = True
    for mask in (whole, part):
        spectra = [radial_power(3 * noise(seed), mask, 2.0)[1] for seed in range(6)]
        # From 0.05: the bins below hold a few waves only.
        np.testing.assert_allclose(np.mean(spectra, axis=0)[5:], 9.0, rtol=0.12)


def test_a_blur_lowers_the_bands_by_its_transfer_function():
    sigma = 0.7  # voxels
    whole = np.ones(SIZE, bool)
    volumes = [noise(seed) for seed in range(3)]
    blurred = [band_power(*radial_power(ndimage.gaussian_filter(one, sigma), whole, 2.0)) for one in volumes]
    sharp = [band_power(*radial_power(one, whole, 2.0)) for one in volumes]
    within = np.array([np.linspace(low, high, 31) for low, high in BANDS]) * 2.0  # cycles per voxel
    expected = np.exp(-4 * np.pi**2 * sigma**2 * within**2).mean(1)
    np.testing.assert_allclose(np.mean(blurred, 0) / np.mean(sharp, 0), expected, rtol=0.08)


def test_a_band_is_the_sum_of_its_bins_and_unknown_beyond_the_grid():
    edges = BIN * np.arange(25)
    np.testing.assert_allclose(band_power(edges, np.arange(25.0)), [11 + 12 + 13, 14 + 15 + 16, 17 + 18 + 19])
    coarse, power = radial_power(noise(), np.ones(SIZE, bool), 3.5)  # up to 0.14 cycles/mm
    assert len(coarse) == 14
    assert np.isfinite(band_power(coarse, power)).tolist() == [True, False, False]


def test_what_is_outside_of_the_mask_does_not_count():
    mask = np.zeros(SIZE, bool)
    mask[10:30, 10:30, 10:30] = True
    volume = noise()
    other = np.where(mask, volume, 100.0)
    np.testing.assert_array_equal(radial_power(volume, mask, 2.0)[1], radial_power(other, mask, 2.0)[1])


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="not empty"):
        radial_power(noise(), np.zeros(SIZE, bool), 2.0)
    with pytest.raises(ValueError, match=r"shape \(40, 48, 44\)"):
        radial_power(noise(), np.ones((4, 4, 4), bool), 2.0)
