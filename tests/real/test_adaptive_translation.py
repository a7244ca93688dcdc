"""Two patients with four contrasts each through the adaptive translator, in all twelve directions."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from .conftest import infer

BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_mri_adaptive_translator"
CONTRASTS = {  # the names of both years of BraTS
    "T1w": ("t1", "t1n"),
    "T2w": ("t2", "t2w"),
    "FLAIR": ("flair", "t2f"),
    "ce-gadolinium_T1w": ("t1ce", "t1c"),
}
pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "source", ["T1w", *(pytest.param(name, marks=pytest.mark.long) for name in CONTRASTS if name != "T1w")]
)
def test_patients_come_back_on_their_own_grid_in_every_target(real_data_dir, tmp_path, source):
    """1 mm, 240x240x155, one of them stored from left to right and with a slightly negative background."""
    files = [
        file
        for file in sorted((real_data_dir / "brats").rglob("*.nii.gz"))
        if file.name.removesuffix(".nii.gz").replace("-", "_").split("_")[-1] in CONTRASTS[source]
    ]
    assert len(files) == 2
    infer(
        BUNDLE,
        input=[str(file) for file in files],
        source=source,
        output_dir=str(tmp_path),
        num_inference_steps=1,
    )
    for file in files:
        original = nib.load(file)
        for target in (name for name in CONTRASTS if name != source):
            made = nib.load(tmp_path / f"{file.name.removesuffix('.nii.gz')}_{target}.nii.gz")
            assert made.shape == original.shape
            np.testing.assert_allclose(made.affine, original.affine, atol=1e-3)
            assert np.isfinite(made.get_fdata()).all()
