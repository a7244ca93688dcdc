"""Comparisons as a whole: of one cell and of several, each number against arithmetic by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from brain_bundles.evaluation.translation_summary import METRICS

BASELINES = ["copy", "intensity regression"]
CELL = "T1w to T2w"


def black(source, *, targets, seeds):
    return torch.zeros_like(source)


def test_perfect_and_bad_methods_stand_at_their_ends(compare_one, truth):
    report, _ = compare_one({"truth": truth, "black": black})
    assert list(report["methods"]) == [*BASELINES, "truth", "black"]
    assert all(list(regions) == ["brain"] for regions in report["methods"].values())
    methods = {name: regions["brain"][CELL] for name, regions in report["methods"].items()}
    assert all(list(values) == ["num_subjects", *METRICS] for values in methods.values())
    assert methods["truth"]["mae"] == {"mean": 0, "std": 0}
    assert methods["truth"]["ssim"]["mean"] == pytest.approx(1, abs=1e-6)  # float32
    assert methods["truth"]["psnr"] == {"mean": None, "std": None}  # infinite
    assert methods["black"]["nmse"]["mean"] == pytest.approx(1)  # sum b^2 / sum b^2
    assert methods["copy"]["ms_ssim"]["mean"] is None  # 18 voxels are too few for five scales
    assert (report["num_subjects"], report["num_train_subjects"]) == (3, 2)
    assert (report["data_range"], report["slice_axis"], report["spatial_size"]) == (1.0, 2, [18, 20, 16])
    assert (report["cells"], report["contrasts"], report["spacing"]) == ([CELL], ["T1w", "T2w"], [1.0, 1.0, 1.0])


def test_a_prediction_of_another_brightness_loses_unless_a_convention_forgives_it(compare_one, truth):
    def darker(source, *, targets, seeds):
        return truth(source, targets=targets, seeds=seeds) / 1.1

    scores = {}
    for convention in ("collection", "brasyn"):
        report, out = compare_one({"truth": truth, "darker": darker}, convention=convention)
        assert report["convention"] == convention
        assert f"- Convention `{convention}`:" in (out / "metrics.md").read_text()
        cells = {name: report["methods"][name]["brain"][CELL] for name in ("truth", "darker")}
        scores[convention] = {name: cell["mae"]["mean"] for name, cell in cells.items()}
    assert scores["collection"]["truth"] == 0
    assert scores["collection"]["darker"] > 0.03
    assert scores["brasyn"]["darker"] == pytest.approx(0, abs=1e-5)
    by_default = compare_one({"darker": darker})[0]
    assert by_default["methods"]["darker"]["brain"][CELL]["mae"]["mean"] == scores["collection"]["darker"]
    with pytest.raises(ValueError, match="convention is 'aldm', expected one of collection, brasyn"):
        compare_one({}, convention="aldm")


def test_the_regression_finds_the_relation_that_the_copy_lacks(compare_one):
    methods = compare_one({})[0]["methods"]
    # Noise of 0.02 in a T2w of span 0.8: 0.025 after scaling, of which the mean absolute value is 0.02.
    assert 0.01 < methods["intensity regression"]["brain"][CELL]["mae"]["mean"] < 0.05
    assert methods["copy"]["brain"][CELL]["mae"]["mean"] > 0.3


def test_every_cell_has_its_subjects(compare_all, shifted, tmp_path):
    report = compare_all(methods={"shifted": shifted, "left out": None})
    assert list(report["methods"]) == [*BASELINES, "shifted"]
    brain = report["methods"]["shifted"]["brain"]
    assert len(brain) == 6 + 1
    assert {key: entry["num_subjects"] for key, entry in brain.items() if key != "all"} == {
        "T1w to T2w": 3,
        "T1w to FLAIR": 2,
        "T2w to T1w": 3,
        "T2w to FLAIR": 2,
        "FLAIR to T1w": 2,
        "FLAIR to T2w": 2,
    }
    assert shifted.calls[0] == ["T2w", "FLAIR"]  # all targets of a source at once
    assert json.loads((tmp_path / "metrics.json").read_text()) == report
    assert len((tmp_path / "scores.tsv").read_text().splitlines()) == 1 + 3 * (3 + 3 + 2 * 4)
    assert (tmp_path / "matrix.png").is_file()


def test_numbers_are_those_of_arithmetic(compare_all, make_subjects):
    report = compare_all()
    items = make_subjects(3)
    errors = [float((item["T1w"] - item["T2w"]).square().mean()) for item in items]
    cell = report["methods"]["copy"]["brain"]["T1w to T2w"]
    expected = -10 * np.log10(errors)
    assert cell["psnr"]["mean"] == pytest.approx(expected.mean(), abs=1e-4)
    assert cell["psnr"]["std"] == pytest.approx(expected.std(ddof=1), abs=1e-4)
    # T1w + 0.1 against T1w / 2
    shifted = report["methods"]["shifted"]["brain"]["T1w to FLAIR"]
    mae = np.mean([float(((item["T1w"] + 0.1).clamp(0, 1) - item["FLAIR"]).abs().mean()) for item in items[:2]])
    assert shifted["mae"]["mean"] == pytest.approx(mae, abs=1e-5)
    regression = report["methods"]["intensity regression"]["brain"]
    assert regression["T1w to T2w"]["psnr"]["mean"] > 45  # a function of the source, so it is learned
    means = [entry["psnr"]["mean"] for key, entry in regression.items() if key != "all"]
    assert regression["all"]["psnr"]["mean"] == pytest.approx(np.mean(means))


def test_a_cell_has_the_same_numbers_alone_and_among_others(compare_all):
    every, one = compare_all(), compare_all(cells=[("T2w", "T1w")])
    assert one["contrasts"] == ["T2w", "T1w"]
    for method in every["methods"]:
        alone, among = (report["methods"][method]["brain"]["T2w to T1w"] for report in (one, every))
        assert {**alone, "seconds": None} == {**among, "seconds": None}


def test_the_metrics_of_the_report_can_be_chosen(compare_all, tmp_path):
    report = compare_all(metrics=["nmse", "psnr"])
    assert list(report["methods"]["copy"]["brain"]["T1w to T2w"]) == ["num_subjects", "nmse", "psnr"]
    header = (tmp_path / "scores.tsv").read_text().splitlines()[0].split("\t")
    assert header == ["participant_id", "method", "source", "target", "region", "nmse", "psnr"]
    text = (tmp_path / "metrics.md").read_text()
    assert "| method | cells | NMSE ↓ | PSNR (dB) ↑ |" in text
    assert "MS-SSIM" not in text


def test_the_regression_can_be_fitted_to_fewer(compare_one):
    report, out = compare_one({}, num_train_subjects=1)
    assert report["num_train_subjects"] == 1
    assert "fitted to 1 training subjects" in (out / "metrics.md").read_text()


def test_missing_tumours_are_said(compare_all, caplog):
    caplog.set_level("INFO")
    compare_all(tumour_labels=[6, 7, 8])
    assert "no test subject has a segmentation with a label 6, 7, 8" in caplog.text
