"""The benchmark of values that no training brain had, with a tiny bundle."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.bundle import load
from brain_bundles.data.read_image import read_values
from brain_bundles.metrics import BrainVolumes

from .conftest import TINY_NETWORKS

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "extrapolation.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("extrapolation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def measured(path, *, method):
        """Ventricles follow what was asked for but at the far end; the classical method fails below 0."""
        value = float(path.name.split("_")[2])
        if method == "classical" and value < 0:
            return BrainVolumes(math.nan, math.nan)
        return BrainVolumes(10 + 100 * min(value, 1.5), 1000 + 500 * value)

    monkeypatch.setattr(module, "measure_file", measured)
    return module


@pytest.fixture
def bundle(trained):
    return load(trained.root, ckpt_dir=str(trained.ckpt_dir), precision="fp32", num_inference_steps=3, **TINY_NETWORKS)


def test_brains_of_values_out_of_range_are_made_measured_and_drawn(script, bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script.brain_bundles, "load", lambda name, **options: bundle)
    script.main([str(tmp_path), "--num", "1"])
    brains = sorted((tmp_path / "brains").iterdir())
    assert len(brains) == sum(len(values) for values in script.VALUES.values())
    assert all(np.isfinite(read_values(path).voxels).all() for path in brains)
    text = (tmp_path / "extrapolation.md").read_text()
    assert text in capsys.readouterr().out
    low, high = bundle.content("bounds")[0]["ventricular_volume"]
    rows = json.loads((tmp_path / "extrapolation.json").read_text())["rows"]
    asked = {row["scaled"]: row["asked"] for row in rows if row["volume"] == "ventricular_volume"}
    assert asked[-0.5] == pytest.approx(low - 0.5 * (high - low))
    assert asked[1.9] == pytest.approx(low + 1.9 * (high - low))
    assert "ventricular volume grows: network 83%, classical n/a." in text
    assert "brain volume grows: network 100%, classical n/a." in text
    for name in ("ventricular_volume.png", "brain_volume.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_brain_is_what_its_condition_and_seed_make(script, bundle, tmp_path, trained):
    """A value within the range gives the brain of the bundle's own inference with the same condition and noise."""
    script.generate(bundle, tmp_path / "one", 1, 3)
    bounds = bundle.content("bounds")[0]
    mL = {name: low + script.BRAIN * (high - low) for name, (low, high) in bounds.items()}
    low, high = bounds["ventricular_volume"]
    mL["ventricular_volume"] = low + 0.25 * (high - low)
    made = bundle.generate(sex="F", seed=3, output_dir=tmp_path / "own", **mL)
    path = script.brain_path(tmp_path / "one", "ventricular_volume", 0.25, 0)
    np.testing.assert_allclose(read_values(path).voxels, made[0].image[0].numpy(), atol=1e-3)
    other = script.brain_path(tmp_path / "one", "ventricular_volume", 1.9, 0)
    assert (read_values(other).voxels != read_values(path).voxels).any()
    before = path.stat().st_mtime_ns
    other.unlink()
    script.generate(bundle, tmp_path / "one", 1, 3)
    assert other.is_file()
    assert path.stat().st_mtime_ns == before
    with pytest.raises(SystemExit, match="other settings"):
        script.generate(bundle, tmp_path / "one", 1, 4)


def test_a_head_size_goes_with_the_brain(script):
    names = ("age", "ventricular_volume", "brain_volume", "intracranial_volume")
    assert script.condition("brain_volume", -0.5, 1, names) == [1.0, script.AGE, script.VENTRICLES, -0.5, -0.5]
    assert script.condition("ventricular_volume", 1.9, 0, names[:3]) == [0.0, script.AGE, 1.9, script.BRAIN]
