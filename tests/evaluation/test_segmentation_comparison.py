"""Scores of segmentations: by hand, on two grids, and the report of a whole evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import CLASS_INDEX, NUM_CLASSES, class_indices
from brain_bundles.evaluation import evaluate_segmentation
from brain_bundles.evaluation.segmentation_scores import dice, fractions_on_grid, score_segmentation, side_agreement
from brain_bundles.inferers import SegmentationInferer
from brain_bundles.phantom import HeadPopulation
from brain_bundles.transforms import segment, segmentation_preprocessing
from monai.data import MetaTensor
from torch import nn

from ..phantom.conftest import SHAPE, small_head, write_map
from ..transforms.test_segmentation import AFFINE


@pytest.fixture(scope="module")
def anatomies(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    for name in ("training_seg_01", "training_seg_05"):  # for training and for test
        write_map(folder / f"{name}.nii.gz", small_head())
    return folder


def one_hot(indices: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(indices).long(), NUM_CLASSES).permute(3, 0, 1, 2).float()


def labels(numbers: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(numbers.astype(np.float32))[None], affine=torch.from_numpy(AFFINE))


def test_dice_by_hand():
    one, other = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool)
    assert dice(one, other) == pytest.approx(2 * 1 / 5)
    assert np.isnan(dice(one & ~one, other & ~other))


def test_the_truth_has_full_scores_and_a_moved_copy_has_not():
    numbers = small_head()
    numbers[numbers >= 500] = 0
    indices = class_indices(numbers)
    image = MetaTensor(torch.zeros(1, *SHAPE), affine=torch.from_numpy(AFFINE))
    found = segment(one_hot(indices), AFFINE, SHAPE, AFFINE)
    scores = {one.structure: one for one in score_segmentation(image, found, labels(numbers))}
    for name in ("cortex", "hippocampus", "brain_mask"):
        assert scores[name].dice == scores[name].dice_scan == 1.0
        assert scores[name].volume == pytest.approx(scores[name].true_volume, rel=1e-3)
    assert np.isnan(scores["fourth_ventricle"].dice)
    assert side_agreement(found, labels(numbers)) > 0.985

    moved = np.roll(indices, 3, axis=1)
    worse = segment(one_hot(moved), AFFINE, SHAPE, AFFINE)
    scores = {one.structure: one for one in score_segmentation(image, worse, labels(numbers))}
    assert scores["cortex"].dice_scan == dice(moved == 2, indices == 2) < 0.8
    assert scores["cortex"].volume == pytest.approx(scores["cortex"].true_volume, rel=1e-3)


def test_other_numbers_score_their_classes_alone():
    numbers = small_head()
    numbers[numbers >= 500] = 0
    indices = class_indices(numbers)
    image = MetaTensor(torch.zeros(1, *SHAPE), affine=torch.from_numpy(AFFINE))
    found = segment(one_hot(indices), AFFINE, SHAPE, AFFINE)
    table = {"lateral_ventricle": [4, 43]}
    (score,) = score_segmentation(image, found, labels(numbers), table)
    assert score.structure == "lateral_ventricle"
    assert 0.9 < score.dice_scan < 1.0  # the plexus is ventricle in the classes and not in the table


def test_labels_are_resampled_by_fractions():
    """Voxels of 1 mm to 2 mm: of eight voxels five are white matter and three cortex."""
    fine = np.zeros((8, 8, 8), dtype=np.uint8)
    fine[...] = CLASS_INDEX["cortex"]
    fine[:, :, :5] = CLASS_INDEX["white_matter"]
    source = MetaTensor(torch.zeros(1, 8, 8, 8), affine=torch.eye(4))
    coarse = torch.diag(torch.tensor([2.0, 2, 2, 1]))
    coarse[:3, 3] = 0.5
    found = fractions_on_grid(fine, source, MetaTensor(torch.zeros(1, 4, 4, 4), affine=coarse))
    assert (found[1:3, 1:3, :2] == CLASS_INDEX["white_matter"]).all()
    assert (found[1:3, 1:3, 3] == CLASS_INDEX["cortex"]).all()


class Nothing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.ones_like(x), -20 * torch.ones_like(x).repeat(1, NUM_CLASSES - 1, 1, 1, 1)], 1)


class Oracle(nn.Module):
    """Gives the labels of the items in order, as logits."""

    def __init__(self, indices: list[torch.Tensor]) -> None:
        super().__init__()
        self.indices = indices

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * one_hot(self.indices.pop(0).numpy())[None]


def test_the_report_of_an_evaluation(anatomies, tmp_path):
    people = HeadPopulation(anatomies, num_held_out=4, acquisition="nominal", spacing=5.0, spatial_size=(48, 48, 48))
    items = people.segmentations(["T1w", "T2w"], "test")
    both = segmentation_preprocessing(5.0, (48, 48, 48), label_key="label")
    make = segmentation_preprocessing(5.0, (48, 48, 48))
    network = Oracle([both(dict(item))["label"][0].as_tensor() for item in items])
    report = evaluate_segmentation(items, make, network, SegmentationInferer(), output_dir=tmp_path, refine=False)
    assert report["refused"] == {}
    cortex = report["structures"]["cortex"]
    assert cortex["dice"] > 0.97
    assert cortex["volume_r"] > 0.98
    assert report["structures"]["brain_volume"]["dice"] is None
    assert report["sides"] > 0.9  # the middle plane runs through voxels of 5 mm
    assert json.loads((tmp_path / "metrics.json").read_text()) == report
    assert "| cortex | " in (tmp_path / "metrics.md").read_text()
    lines = (tmp_path / "scores.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["scan", "structure", "dice", "dice_scan", "volume", "true_volume"]
    assert len(lines) == 1 + 4 * len(report["structures"])
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


def test_scans_without_a_head_are_counted(anatomies, tmp_path):
    people = HeadPopulation(anatomies, num_held_out=1, acquisition="nominal", spacing=5.0, spatial_size=(48, 48, 48))
    items = people.segmentations(["T1w"], "test")
    make = segmentation_preprocessing(5.0, (48, 48, 48))
    report = evaluate_segmentation(items, make, Nothing(), SegmentationInferer(), output_dir=tmp_path)
    assert report["refused"] == {"sub-test000000": "nothing in it looks like a brain"}
    assert report["structures"] == {}
    assert "1 scans, 1 refused" in (tmp_path / "metrics.md").read_text()
    with pytest.raises(ValueError, match="the datalist is empty"):
        evaluate_segmentation([], make, Nothing(), SegmentationInferer(), output_dir=tmp_path)
