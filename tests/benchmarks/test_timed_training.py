"""How long a training is, how it is called, and what the words of a script mean."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import timed_training
from timed_training import SECONDS, Training, command, num_epochs, planned_epochs, split_words


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


def test_a_plan_is_made_once_and_alike_trainings_are_timed_once(tmp_path, monkeypatch):
    timed = []

    def seconds(bundle, training, options, models):
        timed.append(training.name)
        return 10.0

    monkeypatch.setattr(timed_training, "seconds_of_an_epoch", seconds)
    trainings = [Training(name, ["train"], share=0.5, timed_as="first") for name in ("first", "second")]
    for training in trainings:
        (tmp_path / training.name).mkdir()
        assert planned_epochs(tmp_path, "bundle", training, 4, {}) == 12
        assert planned_epochs(tmp_path, "bundle", training, 60, {}) == 12  # as planned at the first call
    assert timed == ["first"]
    (tmp_path / "alone").mkdir()
    assert planned_epochs(tmp_path, "bundle", Training("alone", ["train"]), 4, {}) == 24
    assert timed == ["first", "alone"]
