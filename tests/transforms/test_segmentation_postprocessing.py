"""Probabilities on the model's grid become label maps on the grid of the scan."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import NUM_CLASSES, class_indices
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.transforms import NoHeadError, Segmentation, segmentation_postprocessing, segmentation_preprocessing
from nibabel.affines import from_matvec

from ..phantom.conftest import CENTRE, SHAPE, small_head

STEP = 1.4
LPS = from_matvec(
    np.diag([-STEP, -STEP, STEP]), STEP * np.array([SHAPE[0] - 1 - CENTRE[0], SHAPE[1] - 1 - CENTRE[1], 0])
)


@pytest.fixture(scope="module")
def item() -> dict:
    """A head in LPS order whose brightness is its classes, and their probabilities on the model's grid."""
    classes = class_indices(small_head())[::-1, ::-1].astype(np.float32)
    preprocessing = segmentation_preprocessing(STEP, (104, 120, 104))
    preprocessing.transforms = preprocessing.transforms[:-1]  # no scaling
    item = preprocessing({"image": ArrayImage(classes, LPS)})
    indices = item["image"].as_tensor()[0].round().long()
    return {**item, "pred": torch.nn.functional.one_hot(indices, NUM_CLASSES).movedim(-1, 0).float()}


def test_numbers_and_mask_lie_on_the_scan(item):
    made = segmentation_postprocessing()(item)
    true = class_indices(small_head())[::-1, ::-1]
    assert made["pred"].dtype == made["mask"].dtype == torch.uint8
    for key in ("pred", "mask"):
        assert tuple(made[key].shape) == (1, *true.shape)
        np.testing.assert_array_equal(made[key].affine.numpy(), LPS)
    assert (class_indices(made["pred"][0].numpy()) == true).mean() > 0.995
    found: Segmentation = made["segmentation"]
    np.testing.assert_array_equal(made["pred"][0].numpy(), found.numbers)
    np.testing.assert_array_equal(made["mask"][0].numpy() > 0, found.brain_mask)
    assert found.volumes["intracranial_volume"] == pytest.approx((true > 0).sum() * STEP**3 / 1000, rel=0.02)
    assert found.flags == ()


def test_limits_are_those_of_the_call(item):
    weak = {**item, "pred": 0.6 * item["pred"] + 0.4 / NUM_CLASSES}  # 0.62 for the true class
    found = segmentation_postprocessing()(weak)["segmentation"]
    assert found.quality["quality"] == pytest.approx(0.6 + 0.4 / NUM_CLASSES, abs=0.02)
    assert "cortex" in found.flags
    assert segmentation_postprocessing(flag_quality=0.5)(weak)["segmentation"].flags == ()
    with pytest.raises(RuntimeError) as error:
        segmentation_postprocessing(minimum_quality=0.8)(weak)
    assert isinstance(error.value.__cause__, NoHeadError)
    assert "expected 0.8 or more (minimum_quality)" in str(error.value.__cause__)
