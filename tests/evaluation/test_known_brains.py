"""Brains of a split, measured by the segmenter and, of T1w, by the classical rules."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data import write_nifti
from brain_bundles.evaluation import measure_brains

TABLE = "participant_id\tventricular_volume\tbrain_volume\tsplit\n"


@pytest.fixture
def folder(tmp_path):
    """Two balls, which are no brains: the segmenter gives them numbers, the classical rules may not."""
    centre = np.array([39.5, 47.5, 39.5])[:, None, None, None]
    radius = np.linalg.norm(np.stack(np.indices((80, 96, 80))) - centre, axis=0)
    for name in ("sub-1", "sub-2"):
        path = tmp_path / name / "anat" / f"{name}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        write_nifti(path, (radius < 36) * (0.6 - radius / 200), np.diag([2.0, 2, 2, 1]))
    (tmp_path / "participants.tsv").write_text(f"{TABLE}sub-1\t20\t1100\ttrain\nsub-2\t30\tn/a\tval\n")
    return tmp_path


@pytest.mark.filterwarnings("ignore")
def test_a_split_is_measured_beside_what_is_known(folder):
    found = measure_brains(folder, split="val")
    np.testing.assert_array_equal(found.known["ventricular_volume"], [30])
    np.testing.assert_array_equal(found.known["brain_volume"], [np.nan])
    assert [one.shape for one in found.measured["brain_volume"]] == [(1,), (1,)]  # of both instruments
    assert 500 < found.measured["brain_volume"][0][0] < 1700
    assert [len(one) for one in measure_brains(folder, most=1).measured["brain_volume"]] == [1, 1]


def test_an_empty_split_is_told(folder):
    with pytest.raises(ValueError, match="nobody is in the split 'test'"):
        measure_brains(folder, split="test")
