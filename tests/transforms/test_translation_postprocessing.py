"""Volumes on the model's grid come back to the scan, and end where its brain ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.transforms import image_preprocessing, translation_postprocessing
from brain_bundles.transforms.extract_brain import BRAIN_MASK, pack

AFFINE = np.array([[0, 0, 2.0, -20], [-2, 0, 0, 30], [0, -2, 0, 25], [0, 0, 0, 1]])
SHAPE = (31, 27, 25)
PREPROCESSING = image_preprocessing("image", 2.0, (32, 32, 32))
FINISH = translation_postprocessing(PREPROCESSING)


@pytest.fixture
def brain() -> np.ndarray:
    """A block with a gradient."""
    voxels = np.zeros(SHAPE, dtype=np.float32)
    voxels[6:24, 5:21, 4:20] = np.linspace(1, 2, 18)[:, None, None]
    return voxels


def test_every_channel_comes_back_to_the_brain_of_the_scan(brain):
    item = PREPROCESSING({"image": ArrayImage(brain, AFFINE)})
    ones = torch.ones(3, 32, 32, 32) * torch.tensor([0.25, 0.5, 2.0])[:, None, None, None]
    made = FINISH({**item, "pred": ones})["pred"]
    assert tuple(made.shape) == (3, *SHAPE)
    np.testing.assert_allclose(made.affine.numpy(), AFFINE, atol=1e-6)
    for channel, value in zip(made.numpy(), (0.25, 0.5, 1.0), strict=True):
        np.testing.assert_allclose(channel, value * (brain > 0), atol=1e-5)


def test_an_extracted_brain_cuts_on_the_scan_s_own_grid(brain):
    item = PREPROCESSING({"image": ArrayImage(brain, AFFINE)})
    mask = brain > 1.5
    made = FINISH({**item, "pred": torch.ones(1, 32, 32, 32), BRAIN_MASK: pack(mask)})["pred"]
    np.testing.assert_allclose(made[0].numpy(), mask.astype(np.float32), atol=1e-5)
    empty = FINISH({**item, "pred": torch.ones(1, 32, 32, 32), BRAIN_MASK: b""})["pred"]
    np.testing.assert_allclose(empty[0].numpy(), brain > 0, atol=1e-5)


def test_a_scan_that_does_not_remember_its_transforms_is_refused(brain):
    item = PREPROCESSING({"image": ArrayImage(brain, AFFINE)})
    with pytest.raises(RuntimeError) as error:
        FINISH({"image": item["image"].as_tensor(), "pred": torch.ones(1, 32, 32, 32)})
    assert "'image' has no record of its preprocessing" in str(error.value.__cause__)
