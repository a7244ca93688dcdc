"""Pairs of real contrasts through the translator: found, checked, and brought back on their own grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import paired_datalist

from .conftest import infer

BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_mri_slice2volume_translator"
pytestmark = pytest.mark.real


@pytest.fixture
def preprocessed(real_data_dir):
    return real_data_dir / "t1_flair" / "derivatives" / "preproc"


def test_fifteen_registered_pairs_are_found(preprocessed):
    pairs = paired_datalist(preprocessed, "T1w", "FLAIR")
    assert len(pairs) == 15


@pytest.mark.skipif(not (BUNDLE / "models" / "model.pt").exists(), reason="the translator ships without weights yet")
def test_patients_come_back_on_their_own_grid(real_data_dir, tmp_path):
    """1 mm, 240x240x155, one of them stored from left to right and with a slightly negative background."""
    files = sorted((real_data_dir / "brats").rglob("*t1*.nii.gz"))
    files = [file for file in files if "t1c" not in file.name and "t1ce" not in file.name]
    assert len(files) >= 2
    infer(
        BUNDLE,
        input=[str(file) for file in files],
        output_dir=str(tmp_path),
        num_inference_steps=2,
    )
    for file in files:
        source = nib.load(file)
        made = nib.load(tmp_path / f"{file.name.removesuffix('.nii.gz')}_T2w.nii.gz")
        assert made.shape == source.shape
        np.testing.assert_allclose(made.affine, source.affine, atol=1e-3)
