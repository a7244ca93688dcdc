"""Overrides of ``monai.bundle run`` that MONAI would take without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from brain_bundles.utils import check_command_line, given_overrides

ROOT = Path(__file__).parents[2]
INFERENCE = str(ROOT / "bundles/brain_mri_generator/configs/inference.json")
PAPER = str(ROOT / "bundles/brain_mri_generator/configs/paper.json")
MODULE = "/site-packages/monai/bundle/__main__.py"


def check(*words: str, config_file: str = INFERENCE) -> None:
    check_command_line([MODULE, "run", "--config_file", config_file, *words])


@pytest.mark.parametrize(
    "words",
    [
        ("--num_samples", "4", "--output_dir", "brains"),
        ("--age=60.5", "--sex", "F"),
        ("--compile", "True", "--network_def::norm_num_groups", "4"),
        ("--network_def#norm_num_groups", "4", "--evaluator::amp", "False"),
        ("--dataloader::pin_memory", "True"),  # an argument of the component that the config does not give
        ("--conditions", "'$None'", "--bundle_root", "/b", "--meta_file", "m.json", "--tracking", "mlflow"),
        ("--output_dir", "'2024_01'"),
        ("run",),
    ],
)
def test_what_is_written_right_passes(words):
    check(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--ventricle_volume", "90"),
            "--ventricle_volume is not a key of the config; did you mean --ventricular_volume",
        ),
        (
            ("--num_inference_step=5",),
            "--num_inference_step is not a key of the config; did you mean --num_inference_steps",
        ),
        (
            ("--evaluator::networc", "x"),
            "--evaluator::networc is not a key of evaluator; did you mean --evaluator::network",
        ),
        (("--network_deff::channels", "[8]"), "--network_deff is not a key of the config; did you mean --network_def"),
        (("--handlers::7::name", "x"), "--handlers::7: handlers has 1 entries, numbered from 0"),
        (("--conditions", "null"), r"--conditions null arrives as a text or not at all; write --conditions '\$None'"),
        (("--conditions", "None"), r"write --conditions '\$None'"),
        (("--compile", "true"), "--compile true arrives as a text or not at all; write --compile True"),
        (("--output_dir", "2024_01"), "--output_dir 2024_01 is read as 202401, not as a name; quote it twice"),
        (("--output_dir=~/brains",), "--output_dir=~/brains: the shell leaves a ~"),
    ],
)
def test_what_would_not_act_as_written_is_refused_by_name(words, message):
    with pytest.raises(ValueError, match=message):
        check(*words)


def test_all_findings_come_in_one_error():
    with pytest.raises(ValueError, match=r"ages(.|\n)*sexx(.|\n)*null"):
        check("--ages", "5", "--sexx", "F", "--conditions", "null")


def test_overlays_bring_keys_of_their_own(tmp_path):
    overlay = tmp_path / "mine.json"
    overlay.write_text(json.dumps({"my_key": 1}))
    check("--my_key", "2", config_file=str([INFERENCE, str(overlay)]))
    with pytest.raises(ValueError, match="my_key is not a key"):
        check("--my_key", "2", config_file=str([INFERENCE, PAPER]))


@pytest.mark.parametrize("words", [["pytest", "--foo", "1"], [MODULE, "download", "--naem", "x"], [MODULE], []])
def test_other_commands_are_left_alone(words):
    check_command_line(words)


def test_overrides_are_kept_as_they_were_written():
    words = [MODULE, "run", "--config_file", INFERENCE, "--age=060", "--network_def#channels", "[8, 8]", "--compile"]
    assert given_overrides(words) == {
        "config_file": INFERENCE,
        "age": "060",
        "network_def::channels": "[8, 8]",
        "compile": None,
    }
    assert given_overrides(["pytest", "run", "--age", "60"]) is None
