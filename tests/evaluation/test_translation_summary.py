from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.evaluation.translation_summary import METRICS


def test_the_means_are_those_of_the_rows(compare_one):
    report, out = compare_one({"half": lambda source, *, targets, seeds: source / 2})
    lines = [line.split("\t") for line in (out / "scores.tsv").read_text().splitlines()]
    assert lines[0] == ["participant_id", "method", "source", "target", "region", *METRICS]
    methods = ["copy", "intensity regression", "half"]
    cell = ["T1w", "T2w", "brain"]
    assert [line[:5] for line in lines[1:]] == [[f"sub-0{i}", m, *cell] for i in (3, 4, 5) for m in methods]
    column = lines[0].index("psnr")
    values = [float(line[column]) for line in lines[1:] if line[1] == "half"]
    expected = {"mean": np.mean(values), "std": np.std(values, ddof=1)}
    summary = report["methods"]["half"]["brain"]["T1w to T2w"]
    assert summary["psnr"] == pytest.approx(expected, rel=1e-4)  # six digits in the file
    of_subjects = [report["subjects"][f"sub-0{i}"]["half"]["brain"]["T1w to T2w"]["psnr"] for i in (3, 4, 5)]
    assert of_subjects == pytest.approx(values, rel=1e-4)
    assert {line[lines[0].index("ms_ssim")] for line in lines[1:]} == {"n/a"}
