"""The trainings of the comparisons name configs and settings that exist, and share their time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

sys.path.insert(0, str(Path(__file__).parent))
from timed_training import SECONDS, command, num_epochs, split_words
from train_weights import stages
from translation_rows import TRAININGS, comparison

ROOT = Path(__file__).parents[2]


def parser(bundle: str, files: list[str]) -> ConfigParser:
    config = ConfigParser()
    config.read_config([str(ROOT / "bundles" / bundle / "configs" / f"{name}.json") for name in files])
    return config


@pytest.mark.parametrize("bundle", sorted(TRAININGS))
def test_every_training_and_the_comparison_set_keys_that_exist(bundle):
    trainings = TRAININGS[bundle]()
    assert len({one.name for one in trainings}) == len(trainings)
    configs = {tuple(one.files): parser(bundle, list(one.files)) for one in trainings}
    for one in trainings:
        config = configs[tuple(one.files)]
        assert all(key in config for key in ("ckpt_dir", "output_dir", "resume", "max_epochs", *one.options))
    evaluate = parser(bundle, ["inference", "evaluate"])
    chosen = comparison(bundle, Path("folder"))
    assert all(key in evaluate for key in chosen)
    rows = {key.partition("::")[2] for key in chosen if "::" in key}
    assert rows == set(evaluate["baseline_weights"])


@pytest.mark.parametrize("bundle", sorted(TRAININGS))
def test_a_row_has_one_budget_and_an_ablation_starts_with_what_was_trained_before(bundle):
    trainings = TRAININGS[bundle]()
    shares: Counter[str] = Counter()
    seen = []
    for one in trainings:
        kind = re.split(r"_(T1w|T2w|FLAIR|ce-gad)", one.name)[0]
        shares["method" if one.models == "models" and "baseline" not in one.files[0] else kind] += one.share
        assert all(name in seen for name in one.takes)
        seen += re.findall(r"\w+\.pt", parser(bundle, list(one.files))["_desc_"])
    full = {name for name, share in shares.items() if share == pytest.approx(1)}
    assert {"method", "pix2pix", "cyclegan"} <= full
    assert all(share < 1 for name, share in shares.items() if name not in full)  # stages of ablations


def test_an_epoch_is_timed_by_the_log_and_fills_the_budget():
    line = "01:02 INFO brain_bundles.training: UNet 1/2, iteration 400: loss 0.05 (52.5 s)"
    assert SECONDS.search(line)[1] == "52.5"
    assert SECONDS.search(line.replace("1/2", "2/2")) is None
    assert num_epochs(52.5, 30) == 34
    assert num_epochs(4000, 30) == 1


def test_the_command_is_that_of_the_docs():
    words = command(["train", "train_slices"], {"max_epochs": 3})
    assert words[3:] == [
        *("-m", "monai.bundle", "run", "--config_file", "['configs/train.json', 'configs/train_slices.json']"),
        *("--max_epochs", "3"),
    ]


def test_words_behind_two_dashes_are_settings():
    assert split_words(["folder", "--tiny", "--", "--batch_size", "16", "--seed", "3"]) == (
        ["folder", "--tiny"],
        {"batch_size": "16", "seed": "3"},
    )
    assert split_words(["folder"]) == (["folder"], {})


@pytest.mark.parametrize("bundle", ["brain_mri_generator", *sorted(TRAININGS)])
def test_the_stages_of_weights_share_the_time_and_set_keys_that_exist(bundle):
    assert sum(stage.share for stage in stages(bundle)) == pytest.approx(1)
    for stage in stages(bundle):
        config = parser(bundle, list(stage.files))
        assert all(key in config for key in ("ckpt_dir", "output_dir", "resume", "max_epochs", *stage.options))


@pytest.mark.long
@pytest.mark.parametrize("bundle", ["brain_mri_generator", *sorted(TRAININGS)])
def test_a_dry_run_writes_all_weights_and_a_second_call_has_nothing_to_do(bundle, tmp_path):
    words = [str(ROOT / "tests" / "benchmarks" / "train_on_gpu.sh"), "1", bundle, str(tmp_path), "--tiny"]
    environment = {**os.environ, "PYTHON": sys.executable}
    for _ in range(2):
        subprocess.run(["bash", *words], check=True, env=environment)
        found = json.loads((tmp_path / "timings.json").read_text())
        assert list(found) == [stage.name for stage in stages(bundle)]
        assert all(len(stage["calls"]) == 1 and stage["calls"][0] > 0 for stage in found.values())
    assert {"autoencoder.pt", "model.pt"} <= {path.name for path in (tmp_path / "models").glob("*.pt")}
