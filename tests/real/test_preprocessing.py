"""Preprocessing of real scans: several orientations, and back to each file's own grid."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import check_images
from brain_bundles.transforms import image_preprocessing, invert_preprocessing

pytestmark = pytest.mark.real


def straight(volume):
    """Undo the bend of the median's scale: y = 1 - 1 / (16 x - 8) above 0.75."""
    return torch.where(volume > 0.75, (1 / (1 - volume) + 8) / 16, volume)


@pytest.mark.parametrize(
    ("pattern", "contrasts", "least"),
    [
        ("brats/BraTS2021_99002/BraTS2021_99002_{}.nii.gz", ("t1", "flair"), 0.99),
        ("brats/BraTS-MET-99001-000/BraTS-MET-99001-000-{}.nii.gz", ("t1n", "t1c"), 0.985),
        ("t1_flair/derivatives/preproc/sub-01/anat/sub-01_{}.nii.gz", ("T1w", "FLAIR"), 0.98),
    ],
)
@pytest.mark.parametrize("scale", ["percentiles", "median"])
def test_brain_extracted_scans_go_to_the_model_and_back(real_data_dir, pattern, contrasts, least, scale):
    paths = {key: str(real_data_dir / pattern.format(key)) for key in contrasts}
    check_images(paths.values())
    preprocessing = image_preprocessing(list(contrasts), 2.0, (80, 96, 80), intensity_scale=scale)
    out = preprocessing(paths)
    for key, path in paths.items():
        assert out[key].shape == (1, 80, 96, 80)
        source = nib.load(path)
        pred = out[key] * 1 if scale == "percentiles" else straight(out[key])
        back = invert_preprocessing(preprocessing, "pred", key)({**out, "pred": pred})["pred"]
        assert tuple(back.shape[1:]) == source.shape
        np.testing.assert_allclose(back.affine.numpy(), source.affine, atol=1e-4)
        # The loss is detail below 2 mm, and the clipping at the percentiles.
        assert np.corrcoef(np.asarray(source.dataobj, np.float32).ravel(), back[0].numpy().ravel())[0, 1] > least
