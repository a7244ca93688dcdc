"""The matrix of sources and targets: each cell's numbers against arithmetic by hand."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import contrast_datalist, segmentation_path
from brain_bundles.evaluation import evaluate_matrix, with_segmentations
from brain_bundles.transforms import ContrastPreprocessing

from .conftest import CONTRASTS, TINY, TINY_PIX2PIX

TUMOUR = [6, 7, 8]


def subjects(number: int, first: int = 0) -> list[dict]:
    """Volumes that are known functions of one: T2w = 1 - T1w, FLAIR = T1w / 2; the last one has no FLAIR."""
    items = []
    for i in range(first, first + number):
        t1 = 0.1 + 0.8 * torch.rand(1, 12, 12, 12, generator=torch.Generator().manual_seed(i))
        items.append({"participant_id": f"sub-{i}", "T1w": t1, "T2w": 1 - t1, "FLAIR": t1 / 2})
    del items[-1]["FLAIR"]
    return items


class Shifted:
    """Adds a constant to the source, whatever the target."""

    def __init__(self, offset: float = 0.1) -> None:
        self.offset, self.calls = offset, []

    def __call__(self, source, *, targets, seeds):
        assert source.shape == (1, 1, 12, 12, 12)
        assert len(seeds) == len(set(seeds)) == len(targets)
        self.calls.append(list(targets))
        return torch.cat([source + self.offset for _ in targets])


def run(tmp_path, **options):
    arguments = {"contrasts": CONTRASTS, "methods": {"shifted": Shifted()}, "output_dir": tmp_path, **options}
    return evaluate_matrix(subjects(3), subjects(2, first=10), lambda item: item, **arguments)


def test_every_cell_has_its_subjects(tmp_path):
    method = Shifted()
    metrics = run(tmp_path, methods={"shifted": method, "left out": None})
    assert list(metrics["methods"]) == ["copy", "intensity regression", "shifted"]
    brain = metrics["methods"]["shifted"]["brain"]
    assert len(brain) == 6 + 1
    assert {key: entry["num_subjects"] for key, entry in brain.items() if key != "all"} == {
        "T1w to T2w": 3,
        "T1w to FLAIR": 2,
        "T2w to T1w": 3,
        "T2w to FLAIR": 2,
        "FLAIR to T1w": 2,
        "FLAIR to T2w": 2,
    }
    assert method.calls[0] == ["T2w", "FLAIR"]  # all targets of a source at once
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert len((tmp_path / "cells.tsv").read_text().splitlines()) == 1 + 3 * (3 + 3 + 2 * 4)
    assert (tmp_path / "matrix.png").is_file()
    text = (tmp_path / "metrics.md").read_text()
    assert "PSNR (dB), source by target: shifted" in text


def test_missing_tumours_are_said(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path, tumour_labels=TUMOUR)
    assert "no test subject has a segmentation with a label 6, 7, 8" in caplog.text


def test_numbers_are_those_of_arithmetic(tmp_path):
    metrics = run(tmp_path)
    items = subjects(3)
    errors = [float((item["T1w"] - item["T2w"]).square().mean()) for item in items]
    cell = metrics["methods"]["copy"]["brain"]["T1w to T2w"]
    expected = -10 * np.log10(errors)
    assert cell["psnr"]["mean"] == pytest.approx(expected.mean(), abs=1e-4)
    assert cell["psnr"]["std"] == pytest.approx(expected.std(ddof=1), abs=1e-4)
    # T1w + 0.1 against T1w / 2
    shifted = metrics["methods"]["shifted"]["brain"]["T1w to FLAIR"]
    mae = np.mean([float(((item["T1w"] + 0.1).clamp(0, 1) - item["FLAIR"]).abs().mean()) for item in items[:2]])
    assert shifted["mae"]["mean"] == pytest.approx(mae, abs=1e-5)
    regression = metrics["methods"]["intensity regression"]["brain"]
    assert regression["T1w to T2w"]["psnr"]["mean"] > 45  # a function of the source, so it is learned
    means = [entry["psnr"]["mean"] for key, entry in regression.items() if key != "all"]
    assert regression["all"]["psnr"]["mean"] == pytest.approx(np.mean(means))


def test_the_switch_counts_what_predictions_are_nearest_to(tmp_path):
    """Right is right; a method that gives its source back has the contrast of the source."""

    def right(source, *, targets, seeds):
        item = next(
            item
            for item in subjects(3)
            if any(torch.equal(item[name], source[0]) for name in item.keys() & set(CONTRASTS))
        )
        return torch.stack([item[target] for target in targets])

    switch = run(tmp_path, methods={"right": right})["switch"]
    for target, number in (("T1w", 5), ("T2w", 5), ("FLAIR", 4)):
        assert switch["right"][target] == {"nearest": {target: number}, "on_average": target}
    assert switch["copy"]["FLAIR"]["nearest"] == {"T1w": 2, "T2w": 2}
    assert "nearest to: right" in (tmp_path / "metrics.md").read_text()


def test_a_pair_may_have_a_method_of_its_own(tmp_path):
    def pair(source, *, seeds):
        assert source.ndim == 5
        assert len(seeds) == 1
        return source + 0.1

    metrics = run(tmp_path, pair_methods={"pix2pix": {"T1w to T2w": pair}})
    cells = metrics["methods"]["pix2pix"]["brain"]
    assert set(cells) == {"T1w to T2w", "all"}
    assert cells["T1w to T2w"] == metrics["methods"]["shifted"]["brain"]["T1w to T2w"]
    with pytest.raises(ValueError, match="'T1w to PDw' is not a pair of contrasts; there are T1w to T2w"):
        run(tmp_path, pair_methods={"pix2pix": {"T1w to PDw": pair}})


def test_tumours_are_scored_apart(tiny_contrasts, tmp_path):
    items = with_segmentations(contrast_datalist(tiny_contrasts, CONTRASTS, "test"), tiny_contrasts)
    assert all("segmentation" in item for item in items)
    path = segmentation_path(tiny_contrasts, items[0]["participant_id"], "phantom")
    copy = tmp_path / "dseg.nii.gz"
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    labels[10:16, 20:26, 12:18] = 7
    nib.save(nib.Nifti1Image(labels, image.affine), copy)
    items[0]["segmentation"] = str(copy)
    metrics = evaluate_matrix(
        items,
        items,
        ContrastPreprocessing(CONTRASTS, **TINY),
        contrasts=CONTRASTS,
        methods={},
        output_dir=tmp_path,
        tumour_labels=TUMOUR,
    )
    regions = metrics["methods"]["copy"]
    assert set(regions) == {"brain", "tumour", "outside tumour"}
    assert regions["tumour"]["T1w to T2w"]["num_subjects"] == 1
    assert regions["brain"]["T1w to T2w"]["num_subjects"] == len(items)


def test_empty_lists_are_refused(tmp_path):
    with pytest.raises(ValueError, match="test_datalist or train_datalist is empty"):
        evaluate_matrix([], subjects(1), lambda item: item, contrasts=CONTRASTS, methods={}, output_dir=tmp_path)


def test_the_config_compares_with_ms_spade_alone_and_pix2pix(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("baseline_pix2pix", tmp_path / "pix2pix")
    options = {f"pix2pix_def::{key}": value for key, value in TINY_PIX2PIX.items()}
    options["pix2pix_weights"] = {"T1w to T2w": str(bundle.ckpt_dir / "pix2pix_T1w_T2w.pt")}
    bundle.run(
        "inference",
        tmp_path / "out",
        "evaluate",
        metrics_dir=str(tmp_path / "metrics"),
        num_test_subjects=1,
        **options,
    )
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    methods = ["copy", "intensity regression", "MS-SPADE alone", "adaptive translator", "pix2pix"]
    assert list(metrics["methods"]) == methods
    assert set(metrics["methods"]["pix2pix"]["brain"]) == {"T1w to T2w", "all"}
    assert len(metrics["methods"]["adaptive translator"]["brain"]) == 6 + 1
    assert (tmp_path / "metrics" / "matrix.png").is_file()
