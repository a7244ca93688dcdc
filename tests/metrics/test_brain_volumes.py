import functools
import math

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("nilearn")
from brain_bundles import BrainBundlesWarning
from brain_bundles.data import bids_datalist
from brain_bundles.evaluation import load_ventricle_atlas
from brain_bundles.metrics import brain_volumes
from brain_bundles.phantom import write_phantoms
from scipy import ndimage

measure_volumes = functools.partial(brain_volumes.measure_volumes, atlas=load_ventricle_atlas())


@pytest.fixture(scope="module")
def brains(tmp_path_factory):
    """Four phantoms: (image, ventricular volume, brain volume)."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, num_subjects=4, seed=11)
    items = bids_datalist(folder, "T1w")
    images = [nib.load(item["image"]).get_fdata(dtype=np.float32) for item in items]
    return [(x, i["ventricular_volume"], i["brain_volume"]) for x, i in zip(images, items, strict=True)]


def test_phantoms_have_their_recorded_volumes(brains):
    for image, ventricles, brain in brains:
        measured = measure_volumes(image, 2.0)
        # Three standard deviations over 20 held-out phantoms, which are 0.5 mL and 0.9 %.
        assert measured.ventricular_volume == pytest.approx(ventricles, abs=1.5 + 0.03 * ventricles)
        assert measured.brain_volume == pytest.approx(brain, rel=0.03)


def test_intensity_scale_affine_and_channel_do_not_matter_and_the_image_stays(brains):
    image = brains[0][0]
    before, expected = image.copy(), measure_volumes(image, 2.0)
    affine = np.array([[2.0, 0, 0, -80], [0, 2, 0, -96], [0, 0, 2, -80], [0, 0, 0, 1]])
    assert tuple(measure_volumes(1000 * image[None], affine)) == pytest.approx(tuple(expected), rel=1e-3)  # float32
    np.testing.assert_array_equal(image, before)


def tolerance(ventricles: float) -> float:
    """After blurring, the smallest ventricles have hardly a voxel of pure fluid, so CSF seems too bright."""
    return 0.05 if ventricles > 8 else 0.10


# Ventricles of 6 mL and 2 mm voxels leave no voxel of pure fluid after blurring, so the tissue is underestimated.
@pytest.mark.parametrize(("index", "tolerance"), [(0, 0.1), (1, 0.03)])
def test_a_blurred_hazy_brain_measures_nearly_the_same(brains, index, tolerance):
    image, ventricles, brain = brains[index]
    generated = ndimage.gaussian_filter(image, 0.5) + 0.01 * np.random.default_rng(0).standard_normal(image.shape)
    measured = measure_volumes(generated.clip(0, 1), 2.0)
    # Measured: 1.6 mL too much for 6 mL, 2.7 mL too little for 44 mL.
    assert measured.ventricular_volume == pytest.approx(ventricles, abs=1.5 + 0.1 * ventricles)
    assert measured.brain_volume == pytest.approx(brain, rel=tolerance)


def test_other_voxel_sizes_measure_the_same(brains):
    image = brains[1][0]
    fine = ndimage.zoom(image, (2, 2, 1), order=1, grid_mode=True, mode="nearest")
    measured, expected = measure_volumes(fine, (1.0, 1.0, 2.0)), measure_volumes(image, 2.0)
    # Interpolated twice, which blurs.
    assert measured.ventricular_volume == pytest.approx(expected.ventricular_volume, rel=0.1)
    assert measured.brain_volume == pytest.approx(expected.brain_volume, rel=0.03)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((80, 96, 80)), "no brain stands out"),
        (np.random.default_rng(0).uniform(size=(80, 96, 80)), "is the volume brain-extracted"),
        (np.full((80, 96, 80), math.nan), "614400 voxels are not finite"),
        (np.pad(np.ones((20, 20, 20)), 24), "a brain 300 to 2500 mL"),
    ],
)
def test_what_cannot_be_measured_is_nan_with_the_reason(image, reason):
    with pytest.warns(BrainBundlesWarning, match=f"sub-7: ventricles and brain cannot be measured.*{reason}"):
        measured = measure_volumes(image, 2.0, name="sub-7")
    assert np.isnan(measured).all()


def test_noise_in_the_shape_of_a_brain_is_not_measured(brains):
    noise = np.random.default_rng(0).uniform(0.2, 1, brains[0][0].shape) * (brains[0][0] > 0)
    with pytest.warns(BrainBundlesWarning, match="cannot be measured"):
        assert np.isnan(measure_volumes(noise, 2.0)).all()


def test_a_brain_on_its_side_is_not_measured(brains):
    with pytest.warns(BrainBundlesWarning, match="upright"):
        assert np.isnan(measure_volumes(brains[0][0].transpose(1, 2, 0)[::-1], 2.0)).all()


def test_impossible_arguments_are_errors():
    with pytest.raises(ValueError, match=r"got shape \(4, 4\)"):
        measure_volumes(np.ones((4, 4)), 2.0)
    with pytest.raises(ValueError, match=r"within 0.5 and 3 mm on every axis, got \[5.0, 5.0, 5.0\]"):
        measure_volumes(np.ones((4, 4, 4)), 5.0)
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        measure_volumes(np.ones((4, 4, 4)), (2.0, 2.0))
