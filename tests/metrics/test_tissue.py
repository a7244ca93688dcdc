import numpy as np
import pytest
from brain_bundles.metrics import UnmeasurableError
from brain_bundles.metrics.tissue import brain_mask, csf_fraction, fit_tissue_model, remove_bias

pytest.importorskip("scipy")
CSF, GM, WM = 0.25, 0.61, 0.83


@pytest.fixture
def values():
    """Intensities of a brain with pure tissues and mixed voxels whose tissue share rises towards grey matter."""
    rng = np.random.default_rng(0)
    to_gm, to_wm = np.sqrt(rng.uniform(size=(2, 20_000)))
    pure = np.repeat([CSF, GM, WM], [4_000, 10_000, 25_000])
    mixed = np.concatenate([CSF + (GM - CSF) * to_gm, WM - (WM - GM) * to_wm])
    clean = np.concatenate([pure, mixed])
    return clean + 0.02 * rng.standard_normal(clean.size)


def test_the_fit_finds_the_pure_tissues_at_any_scale(values):
    for scale in (1.0, 900.0):
        model = fit_tissue_model(scale * values)
        # One noise standard deviation (0.02); CSF is drawn towards its many mixtures, so it gets more room.
        assert (model.gm / scale, model.wm / scale) == pytest.approx((GM, WM), abs=0.02)
        assert model.csf / scale == pytest.approx(CSF, abs=0.06)


def test_a_known_csf_is_kept(values):
    assert fit_tissue_model(values, csf=0.24).csf == 0.24


def test_a_known_csf_may_lie_below_all_but_a_few_voxels(values):
    """Small ventricles have hardly a voxel of fluid; its intensity is known from the atlas."""
    rest = values[values > 0.5]
    model = fit_tissue_model(rest, csf=0.24)
    assert np.percentile(rest, 0.5) - 0.1 * np.ptp(np.percentile(rest, [0.5, 99.9])) > 0.24
    assert model.csf == 0.24
    assert model.gm < model.wm < 1


def test_what_is_no_t1w_histogram_is_refused():
    with pytest.raises(UnmeasurableError, match="only 10 brain voxels"):
        fit_tissue_model(np.ones(10))
    with pytest.raises(UnmeasurableError, match="one single intensity"):
        fit_tissue_model(np.ones(2000))


def test_mask_is_the_filled_largest_object():
    grid = np.stack(np.indices((40, 40, 40)) - 20.0)
    radius = np.sqrt((grid**2).sum(0))
    image = np.where(radius < 15, 1.0, 0.01)
    image[radius < 5] = 0.0  # dark fluid inside belongs to the brain
    image[1:3, 1:3, 1:3] = 1.0  # a speck outside does not
    np.testing.assert_array_equal(brain_mask(image, 2.0), radius < 15)


def test_mask_of_nothing_is_refused():
    with pytest.raises(UnmeasurableError, match="no brain stands out"):
        brain_mask(np.zeros((8, 8, 8)), 2.0)


def test_fractions_are_linear_between_csf_and_grey_matter(values):
    model = fit_tissue_model(values)
    image = np.full((2, 2, 2), (3 * model.csf + model.gm) / 4)
    image[0, 0, 0] = model.wm
    mask = np.ones((2, 2, 2), bool)
    mask[1, 1, 1] = False
    csf = csf_fraction(image, mask, model)
    assert csf[0, 0, 0] == 0
    assert csf[0, 0, 1] == pytest.approx(0.75)
    assert csf[1, 1, 1] == 1


def test_a_smooth_field_is_removed(values):
    model = fit_tissue_model(values)
    x = np.linspace(-1, 1, 48)[:, None, None] * np.ones((48, 48, 48))
    flat = np.where(np.indices(x.shape).sum(0) // 6 % 2, model.wm, model.gm)
    corrected = remove_bias(flat * np.exp(0.1 * x), np.ones(x.shape, bool), model, 2.0)
    slope = np.polyfit(x.ravel(), np.log(corrected / flat).ravel(), 1)[0]
    assert abs(slope) < 0.05  # smoothing flattens the field near the borders, so half of a linear field may stay
