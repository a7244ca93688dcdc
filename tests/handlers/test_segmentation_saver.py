"""Segmentations are written on the grid of their scans, with their numbers; a scan without a head gets no file."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import class_names
from brain_bundles.data.brain_classes import NUM_CLASSES, class_indices
from brain_bundles.handlers import SegmentationSaver
from brain_bundles.inferers import SegmentationInferer
from brain_bundles.runs import (
    RunOutput,
    segmentation_inputs,
    write_segmentation_preview,
    write_segmentation_tables,
)
from brain_bundles.transforms import segmentation_preprocessing
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.engines.utils import PrepareBatchDefault
from nibabel.affines import apply_affine, from_matvec
from torch import nn

from ..phantom.conftest import CENTRE, SHAPE, small_head

STEP = 1.4
LPS = from_matvec(
    np.diag([-STEP, -STEP, STEP]), STEP * np.array([SHAPE[0] - 1 - CENTRE[0], SHAPE[1] - 1 - CENTRE[1], 0])
)


class ReadsClasses(nn.Module):
    """Logits of the class that the brightness of a voxel stands for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        index = torch.arange(NUM_CLASSES, dtype=x.dtype).reshape(1, -1, 1, 1, 1)
        return -5e4 * (x - self.level(index)) ** 2  # the next class is 1/60 away: a logit of -14

    def level(self, index: torch.Tensor) -> torch.Tensor:
        return (index + 10) / 60 * (index > 0)


def coded_head(path: Path) -> np.ndarray:
    """A head whose brightness is the level of its classes, in LPS order; returns its classes in that order."""
    indices = class_indices(small_head())[::-1, ::-1]
    levels = ReadsClasses().level(torch.arange(NUM_CLASSES)).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(levels[indices].astype(np.float32), LPS), path)
    return indices


@pytest.fixture
def dataset(tmp_path) -> Path:
    coded_head(tmp_path / "data" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    noise = np.random.default_rng(0).random((40, 40, 40)).astype(np.float32)
    path = tmp_path / "data" / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(noise, np.diag([4.0, 4, 4, 1])), path)
    return tmp_path / "data"


def run(dataset_dir: Path, folder: Path) -> tuple[RunOutput, list]:
    inputs = segmentation_inputs(dataset_dir)
    output = RunOutput(
        folder, inputs.items, settings={"flip": False}, suffix="dseg", source_dir=dataset_dir, about="Segmentations."
    )
    preprocessing = segmentation_preprocessing(STEP, (104, 120, 104))
    preprocessing.transforms = preprocessing.transforms[:-1]  # no scaling: the network reads the levels
    data = Dataset(output.pending(), preprocessing)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        network=ReadsClasses(),
        inferer=SegmentationInferer(),
        val_data_loader=DataLoader(data, batch_size=1),
        prepare_batch=PrepareBatchDefault(),
        val_handlers=[SegmentationSaver(output, inputs.problems, sidecar={"ModelHash": "abc"})],
    )
    if len(data):
        evaluator.run()
    write_segmentation_preview(output)
    write_segmentation_tables(output)
    output.finish()
    return output, inputs.problems


def test_files_tables_and_refusals(dataset, tmp_path, bids_errors):
    _, problems = run(dataset, tmp_path / "out")
    folder = tmp_path / "out" / "sub-01" / "anat"
    source = nib.load(dataset / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    found = nib.load(folder / "sub-01_acq-T1w_dseg.nii.gz")
    mask = nib.load(folder / "sub-01_acq-T1w_desc-brain_mask.nii.gz")
    np.testing.assert_array_equal(found.affine, source.affine)
    assert found.get_data_dtype() == mask.get_data_dtype() == np.uint8
    true = class_indices(small_head())[::-1, ::-1]
    numbers = np.asarray(found.dataobj)
    np.testing.assert_array_equal(numbers > 0, np.asarray(mask.dataobj) > 0)
    assert (class_indices(numbers) == true).mean() > 0.995
    world = apply_affine(LPS, np.argwhere(numbers == 53))  # the right hippocampus
    assert (world[:, 0] > 0).all()

    ((kind, detail),) = problems
    assert kind == "no head found"
    assert "sub-02_FLAIR.nii.gz: " in detail
    assert not list((tmp_path / "out" / "sub-02").rglob("*.nii.gz"))

    sidecar = json.loads((folder / "sub-01_acq-T1w_dseg.json").read_text())
    assert sidecar["Sources"] == ["bids:source:sub-01/anat/sub-01_T1w.nii.gz"]
    assert sidecar["ModelHash"] == "abc"
    assert sidecar["Flags"] == []
    lines = [line.split("\t") for line in (tmp_path / "out" / "volumes.tsv").read_text().splitlines()]
    assert len(lines) == 2
    row = dict(zip(*lines, strict=True))
    assert row["participant_id"] == "sub-01"
    assert float(row["intracranial_volume"]) == pytest.approx((true > 0).sum() * STEP**3 / 1000, rel=0.02)
    assert {f"left_{name}" for name in class_names()} & row.keys() >= {"left_caudate", "left_lesion"}
    quality = dict(
        zip(*[x.split("\t") for x in (tmp_path / "out" / "quality.tsv").read_text().splitlines()], strict=True)
    )
    assert float(quality["quality"]) > 0.9
    assert quality["flags"] == "n/a"
    table = (tmp_path / "out" / "dseg.tsv").read_text().splitlines()
    assert table[0] == "index\tname"
    assert "53\tright_hippocampus" in table
    assert (tmp_path / "out" / "logs" / "preview.png").stat().st_size > 10_000
    assert bids_errors(tmp_path / "out") == []


def test_a_finished_scan_is_not_made_again(dataset, tmp_path):
    output, _ = run(dataset, tmp_path / "out")
    path = output.path(output.rows[1])
    before = path.stat().st_mtime_ns
    (tmp_path / "out" / "volumes.tsv").unlink()
    run(dataset, tmp_path / "out")
    assert path.stat().st_mtime_ns == before
    assert (tmp_path / "out" / "volumes.tsv").is_file()


def test_probabilities_that_are_not_finite_are_refused(dataset, tmp_path):
    inputs = segmentation_inputs(dataset, contrasts=["T1w"])
    output = RunOutput(tmp_path / "out", inputs.items, settings={}, suffix="dseg")
    saver = SegmentationSaver(output, [])
    item = {**inputs.items[0], "image": torch.zeros(1, 4, 4, 4)}
    with pytest.raises(ValueError, match="sub-01: the prediction is not finite"):
        saver.save_item({"pred": torch.full((NUM_CLASSES, 4, 4, 4), torch.nan)}, item)
