"""Weights of a bundle in a given time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from read_configs import read_configs
from timed_training import ROOT
from train_weights import stages
from translation_rows import TRAININGS


@pytest.mark.parametrize("bundle", ["brain_mri_generator", *sorted(TRAININGS)])
def test_the_stages_of_weights_share_the_time_and_set_keys_that_exist(bundle):
    assert sum(stage.share for stage in stages(bundle)) == pytest.approx(1)
    for stage in stages(bundle):
        config = read_configs(bundle, list(stage.files))
        assert all(key in config for key in ("ckpt_dir", "output_dir", *stage.options))
        assert all((key in config) == bool(stage.share) for key in ("resume", "max_epochs"))


@pytest.mark.long
@pytest.mark.parametrize("bundle", ["brain_mri_generator", *sorted(TRAININGS)])
def test_a_dry_run_writes_all_weights_and_a_second_call_has_nothing_to_do(bundle, tmp_path):
    words = [str(ROOT / "tests" / "benchmarks" / "train_on_gpu.sh"), "1", bundle, str(tmp_path), "--tiny"]
    calls = []
    for _ in range(2):
        subprocess.run(["bash", *words], check=True, env={**os.environ, "PYTHON": sys.executable})
        calls.append(json.loads((tmp_path / "timings.json").read_text()))
    assert list(calls[0]) == [stage.name for stage in stages(bundle)]
    assert all(stage["seconds_in_all"] > 0 for stage in calls[0].values())
    assert calls[1] == calls[0]
    assert {"autoencoder.pt", "model.pt"} <= {path.name for path in (tmp_path / "models").glob("*.pt")}
