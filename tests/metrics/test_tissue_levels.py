"""Tissues of a made-up brain with known levels: shells of white matter, grey matter and CSF around a centre."""

import math

import numpy as np
import pytest
from brain_bundles.metrics.tissue import UnmeasurableError
from brain_bundles.metrics.tissue_levels import CSF, GREY, WHITE, TissueLevels, pure_tissues, tissue_levels
from scipy import ndimage

SIZE = (64, 64, 64)
RADIUS = np.sqrt(((np.stack(np.indices(SIZE)) - 31.5) ** 2).sum(0))
# White matter around ventricles, then cortex, then CSF.
TRUTH = np.select([RADIUS < 9, RADIUS < 21, RADIUS < 27, RADIUS < 30], [CSF, WHITE, GREY, CSF], 0)


def image(csf, grey, white, noise=0.0, seed=0):
    values = np.select([TRUTH == CSF, TRUTH == GREY, TRUTH == WHITE], [csf, grey, white], 0.0)
    soft = ndimage.gaussian_filter(values, 0.5)
    return np.where(TRUTH > 0, soft + noise * np.random.default_rng(seed).standard_normal(SIZE), 0).astype(np.float32)


@pytest.fixture(scope="module")
def tissues():
    return pure_tissues(image(0.15, 0.55, 0.85, noise=0.02), TRUTH > 0, 2.0)


def test_pure_voxels_are_of_their_tissue(tissues):
    for label, least in ((CSF, 0.3), (GREY, 0.3), (WHITE, 0.6)):
        found = tissues == label
        assert (TRUTH[found] == label).mean() > 0.97
        assert found.sum() > least * (label == TRUTH).sum()
    assert not tissues[TRUTH == 0].any()


def test_the_levels_of_another_contrast_are_found_in_its_own_units(tissues):
    flair = image(20.0, 180.0, 130.0, noise=3.0, seed=1)
    levels = tissue_levels(flair, tissues)
    assert levels.csf == pytest.approx(20, abs=6)  # the CSF around the brain is three voxels thick
    assert levels.grey == pytest.approx(180, rel=0.03)
    assert levels.white == pytest.approx(130, rel=0.02)
    assert levels.noise == pytest.approx(3.0, rel=0.05)
    assert levels.contrast_to_noise == pytest.approx(50 / 3, rel=0.15)


def test_texture_free_images_have_no_noise_and_no_ratio(tissues):
    levels = tissue_levels(image(0.1, 0.5, 0.9), tissues)
    assert levels.noise < 1e-3
    assert math.isnan(TissueLevels(0.1, 0.5, 0.9, 0.0).contrast_to_noise)
    assert math.isnan(TissueLevels(0.1, 0.5, 0.9, math.nan).contrast_to_noise)


def test_a_tissue_of_few_voxels_has_no_level(tissues):
    few = np.where(tissues == CSF, 0, tissues)
    few[tuple(np.argwhere(tissues == CSF)[0])] = CSF
    levels = tissue_levels(image(0.1, 0.5, 0.9), few)
    assert math.isnan(levels.csf)
    assert math.isfinite(levels.white)


def test_what_is_no_t1w_brain_is_refused():
    with pytest.raises(UnmeasurableError):
        pure_tissues(np.where(TRUTH > 0, 0.5, 0).astype(np.float32), TRUTH > 0, 2.0)
    with pytest.raises(ValueError, match="on one grid"):
        tissue_levels(np.zeros((3, 3, 3)), np.zeros(SIZE, np.uint8))
