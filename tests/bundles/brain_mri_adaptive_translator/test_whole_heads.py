"""Whole heads are translated with one option, and measured with it."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from brain_bundles import cli
from brain_bundles.data import read_tsv
from brain_bundles.transforms import brain_extraction
from brain_bundles.transforms.brain_extraction import Method

from ...prepare.heads import head


@pytest.fixture
def whole_head(tmp_path, monkeypatch):
    """A head in a folder, its affine and true mask, and a method of extraction that knows it."""
    image, affine, mask = head("T1w", spacing=3.0, shape=(64, 80, 80))
    affine = affine @ np.diag([-1, -1, 1, 1])  # as scanners have it
    (tmp_path / "in").mkdir()
    nib.save(nib.Nifti1Image(image, affine), tmp_path / "in" / "head_T1w.nii.gz")
    method = Method(
        lambda image, affine: mask if affine[0, 0] < 0 else mask[::-1, ::-1],  # in the order of the image's axes
        frozenset({"T1w"}),
        lambda: True,
        "nothing",
    )
    monkeypatch.setattr(brain_extraction, "METHODS", {"truth": method})
    return tmp_path / "in", affine, mask


def test_a_translation_comes_back_in_the_space_of_the_head_and_is_0_outside_of_the_brain(trained, whole_head, tmp_path):
    folder, affine, mask = whole_head
    trained.run("inference", tmp_path / "out", input=str(folder), source="T1w", targets=["T2w"], extract_brain="auto")
    made = nib.load(tmp_path / "out" / "head_T1w_T2w.nii.gz")
    np.testing.assert_allclose(made.affine, affine)
    volume = made.get_fdata()
    assert volume.shape == mask.shape
    assert (volume[~mask] == 0).all()
    assert (volume[mask] > 0).mean() > 0.5
    sidecar = json.loads((tmp_path / "out" / "head_T1w_T2w.json").read_text())
    assert sidecar["BrainExtraction"] == "truth"
    assert sidecar["SkullStripped"] is True
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["extract_brain"] == "auto"


def test_volumes_of_a_head_are_those_of_its_brain(whole_head, tmp_path):
    folder, affine, mask = whole_head
    brains = tmp_path / "brains"
    brains.mkdir()
    image = nib.load(folder / "head_T1w.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * mask, affine), brains / "head_T1w.nii.gz")
    assert (
        cli.main(
            [
                "measure",
                str(folder),
                "--method",
                "classical",
                "--extract_brain",
                "auto",
                "--output_file",
                str(tmp_path / "a.tsv"),
            ]
        )
        == 0
    )
    assert cli.main(["measure", str(brains), "--method", "classical", "--output_file", str(tmp_path / "b.tsv")]) == 0
    assert read_tsv(tmp_path / "a.tsv") == read_tsv(tmp_path / "b.tsv")
