"""The segmenter on translations: Dice of the structures that are there, rows of every direction, and the table."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import CLASS_INDEX
from brain_bundles.evaluation.translation_subject import Subject

sys.path.insert(0, str(Path(__file__).parent))
import segmenter_on_translations as script

CORTEX, WHITE = CLASS_INDEX["cortex"], CLASS_INDEX["white_matter"]


def test_dice_is_of_the_structures_of_the_true_scan():
    true, found = np.zeros((4, 4, 4), dtype=np.uint8), np.zeros((4, 4, 4), dtype=np.uint8)
    true[:2], found[:1], found[3] = CORTEX, CORTEX, WHITE
    assert script.dice_of_structures(found, true) == pytest.approx({"mean": 2 / 3, "cortex": 2 / 3})


class Segmenter:
    """Bright voxels are cortex; volumes are their number."""

    def __call__(self, voxels, affine, *, minimum_quality):
        assert affine[0, 0] == 2.0
        indices = np.where(voxels > 0.5, CORTEX, 0).astype(np.uint8)
        volumes = {"ventricular_volume": 1.0, "brain_volume": float((indices > 0).sum())}
        return SimpleNamespace(indices=indices, volumes=volumes)


class Translator:
    spacing = 2.0
    cells = (("T1w", "FLAIR"), ("FLAIR", "T1w"))

    def translate(self, subject, source, folder):
        target = "FLAIR" if source == "T1w" else "T1w"
        return {"network": {target: torch.ones(4, 4, 4)}}


def test_rows_are_of_every_direction_and_of_the_source(tmp_path):
    bright, half = torch.full((4, 4, 4), 0.9), torch.full((4, 4, 4), 0.1)
    half[:2] = 0.9
    subject = Subject("sub-older01", {"T1w": bright, "FLAIR": half})
    rows = list(script.rows_of(subject, Translator(), Segmenter(), tmp_path))
    found = {(row["source"], row["given"]): (row["dice"]["mean"], row["error"]["brain_volume"]) for row in rows}
    assert found == {
        ("T1w", "network"): (pytest.approx(2 / 3), 32.0),
        ("T1w", "source"): (pytest.approx(2 / 3), 32.0),
        ("FLAIR", "network"): (1.0, 0.0),
        ("FLAIR", "source"): (pytest.approx(2 / 3), -32.0),
    }
    text = script.report(rows)
    assert "| T1w to FLAIR | network | 1 | 0.667 | 0.667 | n/a | n/a | +0.0, 0.0 | +32.0, 32.0 |" in text
    assert "| 15 older adults | all | source | 1 | 0.667 | 0.667 | n/a | n/a | +0.0, 0.0 | +0.0, 32.0 |" in text
    assert text.count("older") == 6  # two things segmented: over all, and in two directions


def test_options_of_a_command_line_are_read():
    assert script.options_of([("num_draws", "8"), ("precision", "fp32")]) == {"num_draws": 8, "precision": "fp32"}
