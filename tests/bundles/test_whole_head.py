"""A whole head given to a translator: a warning that says so, or with ``--strict True`` an error."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError
from monai.bundle import ConfigParser

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.fixture
def head(tmp_path) -> Path:
    """A brain of 1,700 mL within a bright scalp and a dark skull, at 4 mm; 4,200 mL together."""
    shape = (50, 60, 60)
    place = np.stack(np.meshgrid(*((np.arange(n) - n / 2) * 4 for n in shape), indexing="ij"), -1)

    def inside(*axes: float, up: float = 0.0) -> np.ndarray:
        return np.linalg.norm((place - [0, 0, up]) / axes, axis=-1) < 1

    scalp = inside(85, 105, 112) & ~inside(78, 98, 104)
    brain = inside(70, 88, 66, up=20) * np.random.default_rng(0).normal(600, 80, shape)
    image = 900 * scalp + brain + np.abs(np.random.default_rng(1).normal(0, 8, shape))
    nib.save(nib.Nifti1Image(image.astype(np.int16), np.diag([4.0, 4, 4, 1])), tmp_path / "head_T1w.nii.gz")
    return tmp_path


@pytest.mark.parametrize("bundle", ["brain_mri_adaptive_translator", "brain_mri_slice2volume_translator"])
def test_a_whole_head_is_named_and_with_strict_refused(head, bundle, caplog):
    def inputs(**options: object):
        parser = ConfigParser()
        parser.read_config(BUNDLES / bundle / "configs" / "inference.json")
        parser.update({"input": str(head), **options})
        return parser.get_parsed_content("inputs")

    with caplog.at_level(logging.WARNING):
        (item,) = inputs().items
    assert item["skull_stripped"] is False
    assert "looks like a whole head (1)" in caplog.text
    assert "extract the brain first" in caplog.text
    with pytest.raises(RuntimeError) as error:
        inputs(strict=True)
    assert isinstance(error.value.__cause__, DatasetError)  # MONAI's parser wraps it
    assert "looks like a whole head (1)" in str(error.value.__cause__)
