"""How long a training is, how it is called, and what the words of a script mean."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from timed_training import SECONDS, command, num_epochs, split_words


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
