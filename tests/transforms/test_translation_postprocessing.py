"""Volumes on the model's grid come back to the scan, and end where its brain ends."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.transforms import ScaleForeground, image_preprocessing, translation_postprocessing
from brain_bundles.transforms.extract_brain import BRAIN_MASK, pack
from monai.transforms import Compose

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


def test_native_detail_brings_back_what_the_model_s_grid_lost(tmp_path):
    """A translation that is a linear function of its source: dark sheets of 1 mm come back in it.

    The scan has voxels of 1 mm and two tissues; the model works at 2 mm.
    """
    voxels = np.zeros((50, 48, 46), np.float32)
    voxels[5:45, 5:43, 5:41] = 100
    voxels[25:45, 5:43, 5:41] += 40
    voxels[8:42, 8:40:3, 8:38] -= 50
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "scan.nii.gz")
    native = ScaleForeground()(torch.from_numpy(voxels)[None])
    item = PREPROCESSING({"image": str(tmp_path / "scan.nii.gz")})
    made = (0.9 - 0.8 * item["image"].as_tensor()) * (item["image"].as_tensor() > 0)
    true, inside = 0.9 - 0.8 * native, torch.from_numpy(voxels > 0)[None]
    inside[:, :8], inside[:, 42:] = False, False
    inside[:, :, :8], inside[:, :, 40:] = False, False
    inside[..., :8], inside[..., 38:] = False, False

    def error(postprocessing: Compose, **more: object) -> float:
        back = postprocessing({**item, "pred": made, **more})["pred"].as_tensor()
        return float((back - true)[inside].square().mean()) ** 0.5

    plain, detail = error(FINISH), error(translation_postprocessing(PREPROCESSING, native_detail=True))
    assert plain > 0.02
    assert detail < 0.5 * plain
    refused = error(translation_postprocessing(PREPROCESSING, native_detail=True), native_detail=False)
    assert refused == plain
