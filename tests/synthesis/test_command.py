"""The command with the weights that ship, and what it refuses."""

from __future__ import annotations

import filecmp
import json
import logging
from pathlib import Path

import pytest
from brain_bundles import cli
from brain_bundles.data import read_participants, read_tsv

from .conftest import BUNDLES

FAST = ["--num_inference_steps", "2", "--device", "cpu"]
NAMES = {name: str(BUNDLES / f"brain_mri_{word}") for name, word in (
    ("bundle", "generator"), ("translator", "adaptive_translator"), ("segmenter", "segmenter"))}  # fmt: skip


def words(folder: Path, *more: str) -> list[str]:
    bundles = [word for name, path in NAMES.items() if f"--{name}" not in more for word in (f"--{name}", path)]
    return ["synthesise", str(folder), "--num_subjects", "2", *FAST, *bundles, *more]


def test_two_brains_with_another_contrast_and_segmentations(tmp_path, bids_errors):
    weights = str(BUNDLES / "brain_mri_segmenter" / "models" / "model.pt")
    options = ("--contrasts", "T1w,FLAIR", "--segment", "--segmenter", weights, "--shard_size", "1", "--seed", "4")
    assert cli.main(words(tmp_path / "set", *options)) == 0
    alone = ["generate", "--bundle", NAMES["bundle"], "--num_samples", "2", "--seed", "4", *FAST]
    assert cli.main([*alone, "--output_dir", str(tmp_path / "generated")]) == 0
    rows = read_participants(tmp_path / "set", ())
    assert all(float(row["measured_brain_volume"]) > 300 for row in rows)
    for number, row in enumerate(rows, 1):
        shard = tmp_path / "set" / f"shard-{number:04d}"
        name = row["participant_id"]
        image = Path(name, "anat", f"{name}_T1w.nii.gz")
        assert filecmp.cmp(shard / image, tmp_path / "generated" / image, shallow=False)
        assert (shard / name / "anat" / f"{name}_FLAIR.nii.gz").is_file()
        assert (shard / "derivatives" / "segmented" / name / "anat" / f"{name}_acq-T1w_dseg.nii.gz").is_file()
        volumes = read_tsv(shard / "derivatives" / "segmented" / "logs" / "volumes.tsv")
        assert [row["participant_id"] for row in volumes] == [name]
        assert bids_errors(shard, "--recursive") == []


def test_an_overlay_goes_over_the_generator_s_inference(tmp_path):
    few = ["--bundle", NAMES["bundle"], "--overlays", "few_steps", "--device", "cpu"]
    assert cli.main(["synthesise", str(tmp_path / "set"), "--num_subjects", "1", *few]) == 0
    assert cli.main(["generate", "--num_samples", "1", *few, "--output_dir", str(tmp_path / "generated")]) == 0
    image = Path("sub-0001", "anat", "sub-0001_T1w.nii.gz")
    assert filecmp.cmp(tmp_path / "set" / "shard-0001" / image, tmp_path / "generated" / image, shallow=False)
    made = json.loads((tmp_path / "set" / "run.json").read_text())["settings"]
    assert made["brain_mri_generator, num_inference_steps"] == 4


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--contrasts", "T2w,FLAIR"], 1, "T1w must be one, which the generator makes"),
        (["--contrasts", "T1w,angio"], 1, "unknown contrast angio; brain_mri_adaptive_translator knows T1w"),
        (["--num_subjects", "0"], 2, "num_subjects must be a whole number of at least 1"),
        (["--age", "200"], 1, "age is 200, possible are 0 to 130 years"),
        (["--conditions", "table.tsv"], 1, "conditions='table.tsv' and num_samples are both given"),
        (["--num_samples", "3"], 2, "num_samples: set by the command itself; give dataset_dir and num_subjects"),
        (["--agee", "3"], 2, "no option 'agee'"),
        (["--bundle", NAMES["segmenter"]], 2, "which is no generator"),
        (["--segment", "--segmenter", "nowhere.pt"], 1, "nowhere.pt"),
        (["--overlays", "fewer_steps"], 2, "fewer_steps"),
    ],
)
def test_what_cannot_be_made_is_refused_before_it_begins(tmp_path, caplog, options, code, message):
    caplog.set_level(logging.ERROR)
    assert cli.main(words(tmp_path / "set", *options)) == code
    assert message in caplog.text
    assert not (tmp_path / "set").exists()
