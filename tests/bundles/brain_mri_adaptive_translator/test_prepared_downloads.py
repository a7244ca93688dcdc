"""Made-up downloads go to a finished training by the commands of docs/how-to/prepare_a_download.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import read_participants

from ...prepare.conftest import SMALL, write_ixi
from ...prepare.heads import head
from .conftest import Bundle

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "prepare_a_download.md"
FIRST_STEPS = {"samples_per_epoch": 2, "max_epochs": 1, "batch_size": 1}


def write_brats(root: Path, people: int = 3) -> Path:
    """BraTS 2021: brains on one grid, without skull."""
    for number in range(people):
        person = f"BraTS2021_{number:05d}"
        (root / person).mkdir(parents=True)
        for name, contrast in (("t1", "T1w"), ("t1ce", "ce-gadolinium_T1w"), ("t2", "T2w"), ("flair", "FLAIR")):
            image, affine, mask = head(contrast, seed=number, **SMALL)
            nib.save(nib.Nifti1Image(image * mask.astype(np.int16), affine), root / person / f"{person}_{name}.nii.gz")
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), root / person / f"{person}_seg.nii.gz")
    return root


def commands(section: str) -> list[list[str]]:
    """The three commands of a section of the guide."""
    text = GUIDE.read_text(encoding="utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("python -m ")]


@pytest.mark.parametrize(
    ("section", "write", "code", "people"),
    [
        pytest.param("From IXI to a training", write_ixi, 1, 5, marks=pytest.mark.long),
        ("From BraTS to a training", write_brats, 0, 3),
    ],
)
def test_three_commands_lead_from_a_download_to_a_finished_training(tmp_path, section, write, code, people):
    """One person of IXI has half a file: it is left out, the exit code says so, and the others are trained on."""
    prepare, *trainings = commands(section)
    assert len(trainings) == 2
    source, dest = prepare[3], prepare[4]
    places = {
        source: str(write(tmp_path / "download")),
        dest: str(tmp_path / "dest"),
        "/data/models": str(tmp_path / "models"),
    }
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}

    def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        words = [places.get(word, word) for word in words]
        words += [part for key, value in options.items() for part in (f"--{key}", str(value))]
        return subprocess.run(
            [sys.executable, *words], cwd=Bundle.root, env=environment, capture_output=True, text=True, timeout=580
        )

    done = run(prepare, num_workers=1)
    assert done.returncode == code, done.stderr
    if code:
        assert "left out (1)" in done.stderr
        assert "IXI007-Guys-0833-T2.nii.gz" in done.stderr
    rows = read_participants(tmp_path / "dest")
    assert len(rows) == people
    assert {"train", "val"} <= {row["split"] for row in rows}
    assert all(row.get("age") is not None for row in rows) or "BraTS" in section
    for words, weights in zip(trainings, ("autoencoder.pt", "model.pt"), strict=True):
        name = re.search(r"configs/(\w+)\.json", " ".join(words))
        assert name is not None
        tiny = Bundle(tmp_path / "dest", tmp_path / "models").overrides(name[1], tmp_path / name[1], **FIRST_STEPS)
        given = {word[2:] for word in words if word.startswith("--")}
        trained = run(words, **{key: value for key, value in tiny.items() if key not in {*given, "contrasts"}})
        assert trained.returncode == 0, trained.stdout[-3000:] + trained.stderr[-3000:]
        assert (tmp_path / "models" / weights).is_file()
