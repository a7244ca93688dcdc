import json
import math

import pytest
import torch
from brain_bundles.metrics import TranslationScores, brain_mask, score_translation
from monai.data import MetaTensor
from monai.metrics import MultiScaleSSIMMetric, SSIMMetric

FULL = torch.ones(12, 12, 12, dtype=torch.bool)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_identical_volumes_have_no_error():
    volume = noise(12, 12, 12)
    scores = score_translation(volume, volume.clone(), FULL)
    assert (scores.mae, scores.nmse, scores.through_plane_error) == (0, 0, 0)
    assert scores.psnr == math.inf
    assert scores.ssim == pytest.approx(1, abs=1e-6)  # float32
    assert math.isnan(scores.ms_ssim)  # five scales need 80 voxels a side


def test_a_constant_offset_has_known_errors():
    """0.5 against 0.4 everywhere: MSE 0.01, that is 20 dB; NMSE 0.01 / 0.16; no step differs."""
    scores = score_translation(torch.full((12, 12, 12), 0.5), torch.full((12, 12, 12), 0.4), FULL)
    assert scores.mae == pytest.approx(0.1)
    assert scores.psnr == pytest.approx(20, abs=1e-5)
    assert scores.nmse == pytest.approx(1 / 16)
    assert scores.through_plane_error == 0


def test_psnr_counts_the_range():
    a, b = torch.full((12, 12, 12), 0.5), torch.full((12, 12, 12), 0.4)
    assert score_translation(a, b, FULL, data_range=10.0).psnr == pytest.approx(40, abs=1e-5)


def test_nmse_sums_over_the_brain():
    """Two voxels of the target at 0.6 and 0.8 (sum of squares 1), the prediction 0.3 too low at the first."""
    target, mask = torch.zeros(12, 12, 12), torch.zeros(12, 12, 12, dtype=torch.bool)
    target[6, 6, 6:8] = torch.tensor([0.6, 0.8])
    mask[6, 6, 6:8] = True
    prediction = target.clone()
    prediction[6, 6, 6] = 0.3
    scores = score_translation(prediction, target, mask)
    assert scores.nmse == pytest.approx(0.09)
    assert scores.mae == pytest.approx(0.15)
    assert scores.through_plane_error == pytest.approx(0.3)


def test_jitter_between_slices_is_seen_by_the_through_plane_error_alone():
    target = torch.full((12, 12, 12), 0.5)
    stripes = 0.05 * (-1.0) ** torch.arange(12)
    between = score_translation(target + stripes, target, FULL)
    within = score_translation(target + stripes[:, None, None], target, FULL)
    for name in ("mae", "psnr", "ssim", "nmse"):
        assert getattr(between, name) == pytest.approx(getattr(within, name), abs=1e-5), name  # float32
    assert between.through_plane_error == pytest.approx(0.1)
    assert within.through_plane_error == 0
    turned = score_translation(target + stripes[:, None, None], target, FULL, slice_axis=0)
    assert turned.through_plane_error == pytest.approx(0.1)


def test_ssim_on_a_full_mask_is_that_of_monai():
    a, b = noise(14, 12, 16), noise(14, 12, 16, seed=1)
    b = 0.5 * (a + b)
    oracle = SSIMMetric(spatial_dims=3, data_range=1.0, win_size=7)(a[None, None], b[None, None])
    scores = score_translation(a, b, torch.ones(a.shape, dtype=torch.bool))
    assert scores.ssim == pytest.approx(float(oracle), abs=1e-5)
    assert 0.1 < scores.ssim < 0.9


def test_ssim_is_taken_where_the_window_s_centre_is_in_the_brain():
    """One voxel differs. Only one voxel of the mask has it within its window."""
    a = torch.full((16, 16, 16), 0.5)
    b = a.clone()
    b[4, 4, 4] = 0.9
    mask = torch.zeros(16, 16, 16, dtype=torch.bool)
    mask[4, 4, 7:10] = True  # windows of 7 end 3 voxels off
    mask[4, 4, 4] = True  # the voxel itself, else it would be blanked
    both = score_translation(a, b, mask).ssim
    mask[4, 4, 9] = False
    fewer = score_translation(a, b, mask).ssim
    assert both < 1
    assert 3 * (1 - fewer) == pytest.approx(4 * (1 - both), rel=0.02)  # the voxel left out had SSIM 1


def test_ms_ssim_is_that_of_monai_with_the_outside_blanked():
    a, b = noise(48, 50, 48), noise(48, 50, 48, seed=1)
    b = 0.5 * (a + b)
    mask = torch.zeros(a.shape, dtype=torch.bool)
    mask[8:40, 8:40, 8:40] = True
    oracle = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=3)
    expected = float(oracle((a * mask)[None, None], (b * mask)[None, None]))
    assert score_translation(a, b, mask, ms_ssim_kernel_size=3).ms_ssim == pytest.approx(expected, abs=1e-5)
    assert 0.1 < expected < 0.999


def test_nothing_outside_of_the_brain_counts():
    a, b = noise(48, 48, 48), noise(48, 48, 48, seed=1)
    mask = torch.zeros(a.shape, dtype=torch.bool)
    mask[8:40, 10:40, 12:40] = True
    outside = ~mask
    clean = score_translation(a * mask, b, mask, ms_ssim_kernel_size=3)
    assert score_translation(a + 5 * outside, b + outside, mask, ms_ssim_kernel_size=3) == clean


def test_the_inputs_stay_and_metadata_changes_nothing():
    a, b = noise(12, 12, 12), noise(12, 12, 12, seed=1)
    mask = FULL.clone()
    mask[0] = False
    before = a.clone()
    scores = score_translation(a, b, mask)
    torch.testing.assert_close(a, before, rtol=0, atol=0)
    assert score_translation(MetaTensor(a), MetaTensor(b), MetaTensor(mask)).mae == scores.mae


def test_what_is_undefined_is_nan_and_null_in_json():
    black, mask = torch.zeros(12, 12, 12), torch.zeros(12, 12, 12, dtype=torch.bool)
    mask[6, 6, 6] = True
    scores = score_translation(black, black, mask)
    assert math.isnan(scores.nmse)
    assert math.isnan(scores.through_plane_error)  # one voxel has no neighbour
    assert scores.as_json() == {
        "mae": 0.0,
        "psnr": None,
        "ssim": 1.0,
        "masked_volume_ssim": 1.0,
        "ms_ssim": None,
        "nmse": None,
        "through_plane_error": None,
        "power_coarse": None,
        "power_middle": None,
        "power_fine": None,
    }
    json.dumps(scores.as_json(), allow_nan=False)


def test_a_brain_that_no_window_is_centred_on_has_no_ssim():
    mask = torch.zeros(12, 12, 12, dtype=torch.bool)
    mask[:2] = True
    assert math.isnan(score_translation(noise(12, 12, 12), noise(12, 12, 12), mask).ssim)


def test_the_brain_is_where_either_contrast_is():
    source, target = torch.tensor([0.0, 0.5, 0.0, 0.1]), torch.tensor([0.0, 0.0, 0.2, 0.1])
    assert brain_mask(source, MetaTensor(target)).tolist() == [False, True, True, True]


def test_bad_input_is_named():
    volume = noise(12, 12, 12)
    with pytest.raises(ValueError, match=r"shapes \(1, 12, 12, 12\), \(12, 12, 12\) and \(12, 12, 12\), expected one"):
        score_translation(volume[None], volume, FULL)
    with pytest.raises(ValueError, match=r"mask is torch.float32, expected torch.bool"):
        score_translation(volume, volume, FULL.float())
    with pytest.raises(ValueError, match="mask is empty"):
        score_translation(volume, volume, ~FULL)
    with pytest.raises(ValueError, match="prediction has NaN or infinite voxels"):
        score_translation(volume / 0, volume, FULL)
    with pytest.raises(ValueError, match="target has NaN or infinite voxels"):
        score_translation(volume, volume * math.nan, FULL)
    with pytest.raises(ValueError, match="slice_axis is 3, expected 0, 1 or 2"):
        score_translation(volume, volume, FULL, slice_axis=3)
    with pytest.raises(ValueError, match="data_range is 0, expected a positive"):
        score_translation(volume, volume, FULL, data_range=0)
    with pytest.raises(ValueError, match="ms_ssim_kernel_size must be odd, got 4"):
        score_translation(volume, volume, FULL, ms_ssim_kernel_size=4)
    with pytest.raises(ValueError, match="kernel_size 13 needs as many voxels"):
        score_translation(volume, volume, FULL, ssim_kernel_size=13)


def test_scores_are_not_changed_after_the_fact():
    scores = TranslationScores(0.1, 20.0, 0.9, 0.9, 0.9, 0.1, 0.1)
    with pytest.raises(AttributeError):
        scores.mae = 0.0


def test_a_region_is_scored_within_the_brain_around_it():
    """Errors come from the region alone. SSIM is from the map of the brain, since air around a region would agree."""
    target, prediction = noise(16, 16, 16), noise(16, 16, 16, seed=1)
    brain = torch.ones(16, 16, 16, dtype=torch.bool)
    region = torch.zeros_like(brain)
    region[6:10, 6:10, 6:10] = True
    scores = score_translation(prediction, target, brain, region=region)
    error = (prediction - target)[region]
    assert scores.mae == pytest.approx(float(error.abs().mean()), abs=1e-6)
    assert scores.psnr == pytest.approx(-10 * math.log10(float(error.square().mean())), abs=1e-4)
    full = torch.zeros(16, 16, 16)
    ssim = SSIMMetric(spatial_dims=3, win_size=7, reduction="none")
    for position in torch.nonzero(region).tolist():  # the window around each voxel, by MONAI
        window = tuple(slice(centre - 3, centre + 4) for centre in position)
        full[tuple(position)] = float(ssim(prediction[window][None, None], target[window][None, None]))
    assert scores.ssim == pytest.approx(float(full[region].mean()), abs=1e-5)
    masked = [torch.where(region, volume, 0.0)[None, None] for volume in (prediction, target)]
    assert scores.masked_volume_ssim == pytest.approx(float(ssim(*masked)), abs=1e-5)
    assert scores.masked_volume_ssim > scores.ssim + 0.3
    with pytest.raises(ValueError, match="region is empty"):
        score_translation(prediction, target, region, region=~region)


def test_power_of_detail_is_relative_to_the_target():
    """Doubled amplitude is four times the power, blurring takes most from the finest band."""
    target = noise(24, 24, 24)
    mask = torch.ones(target.shape, dtype=torch.bool)
    mask[:4] = False

    def powers(prediction, **options):
        scores = score_translation(prediction, target, mask, spacing=2.0, **options)
        return [scores.power_coarse, scores.power_middle, scores.power_fine]

    assert powers(target) == pytest.approx([1, 1, 1])
    assert powers(2 * target) == pytest.approx([4, 4, 4])
    assert powers(target + 5 * ~mask) == pytest.approx([1, 1, 1])  # outside of the brain nothing counts
    blurred = powers(torch.nn.functional.avg_pool3d(target[None, None], 3, 1, 1)[0, 0])
    assert blurred[2] < blurred[1] < blurred[0] < 0.7
    assert all(map(math.isnan, powers(target, region=mask)))
    assert math.isnan(score_translation(target, target, mask).power_fine)
    assert math.isnan(score_translation(target, target, mask, spacing=3.0).power_fine)  # not resolved
    assert math.isnan(score_translation(target, torch.zeros_like(target), mask, spacing=2.0).power_fine)
