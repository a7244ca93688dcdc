"""The benchmark of guidance and steps: its rows, its points, its plot, and one run of a tiny bundle."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from brain_bundles.bundle import Bundle

from .conftest import BUNDLE

pytest.importorskip("matplotlib")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "guidance_and_steps.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("guidance_and_steps", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(name, frechet, recall, r):
    interval = {"frechet_distance": [frechet - 0.1, frechet + 0.1], "recall": None, "precision": None}
    features = {"values": {"frechet_distance": frechet, "recall": recall, "precision": 0.5}, "intervals": interval}
    fidelity = {"ventricular_volume": {"pearson_r": r, "intervals": {"pearson_r": [0.8, 0.9]}}}
    return {"name": name, "metrics": {"features": features, "fidelity": fidelity}}


@pytest.mark.parametrize("prediction", ["rectified_flow", "v_prediction"])
def test_every_row_can_be_sampled_by_the_bundle(script, prediction):
    samplers = script.FLOW_SAMPLERS if prediction == "rectified_flow" else script.SAMPLERS
    settings = script.settings_of(script.STEPS, samplers, script.SCALES)
    assert len(settings) == len(script.STEPS) * len(samplers) + len(script.SCALES)
    for _, _, keys in settings.values():
        assert Bundle(BUNDLE, **keys, prediction_type=prediction).content("scheduler")


def test_points_are_those_of_the_rows_and_all_are_drawn(script, tmp_path):
    settings = script.settings_of([4, 10], ["ddim"], [1.0, 3.0])
    rows = [result("ddim_10", 1.0, 0.6, 0.9), result("ddim_4", 2.0, None, 0.7)]
    rows += [result("guidance_1", 1.0, 0.6, 0.9), result("guidance_3", 1.5, 0.3, 0.95)]
    found = script.curves(rows, settings)
    assert found["ddim"]["Fréchet distance ↓"] == [(10, 1.0, [0.9, 1.1]), (4, 2.0, [1.9, 2.1])]
    assert found["guidance"]["recall ↑"] == [(1.0, 0.6, None), (3.0, 0.3, None)]
    assert found["guidance"]["r of ventricles ↑"][1] == (3.0, 0.95, [0.8, 0.9])
    script.draw(tmp_path / "one.svg", found)
    script.draw(tmp_path / "two.svg", {"ddim": found["ddim"]})
    one, two = ((tmp_path / name).read_text(encoding="utf-8") for name in ("one.svg", "two.svg"))
    assert one.count('id="axes_') == 8  # four measures over steps, and over the scale
    assert two.count('id="axes_') == 4


def test_values_on_the_command_line_are_read(script):
    assert [script.read(word) for word in ("true", "[1, 2]", "None", "3.5", "fp32")] == [
        True,
        [1, 2],
        None,
        3.5,
        "fp32",
    ]


def test_one_command_makes_rows_and_plot(script, tmp_path, monkeypatch):
    """The rows, the weights' own answer to guidance and the options, without generating."""
    given = {}

    def evaluate(root, rows, reference, out, **options):
        given.update(options, rows=rows, reference=reference)
        (out / "rows.md").parent.mkdir(parents=True)
        (out / "rows.md").write_text("table")
        return [result(row["name"], 1.0, 0.5, 0.9) for row in rows]

    monkeypatch.setattr(script, "evaluate_rows", evaluate)
    monkeypatch.setattr(script, "second_encoder", lambda: None)
    words = ["/data", str(tmp_path / "out"), "--bundle", str(BUNDLE), "--steps", "4", "8", "--scales", "1", "2"]
    words += ["--samplers", "ddim", "--num", "9", "--seed", "3"]
    script.main([*words, "--condition_dropout", "0.1", "--batch_size", "2"])
    assert [row["name"] for row in given["rows"]] == ["ddim_4", "ddim_8", "guidance_1", "guidance_2"]
    assert (given["num_samples"], given["columns"].seed) == (9, 3)
    assert given["options"] == {"condition_dropout": 0.1, "batch_size": 2}
    assert (tmp_path / "out" / "guidance_and_steps.svg").stat().st_size > 1000
    (tmp_path / "out" / "rows.md").unlink()
    (tmp_path / "out" / "guidance_and_steps.svg").unlink()
    (tmp_path / "out").rmdir()
    words = [word for word in words if word not in ("--samplers", "ddim")]
    script.main([*words, "--condition_dropout", "0.0", "--prediction_type", "rectified_flow"])
    assert [row["name"] for row in given["rows"]] == ["dpm_solver_4", "dpm_solver_8", "rflow_4", "rflow_8"]
