"""The table of a training's validations."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from brain_bundles.handlers import StructureDice
from brain_bundles.handlers.structure_dice import mean_of_each


def test_volumes_without_a_structure_do_not_count():
    scores = torch.tensor([[0.5, torch.nan], [1.0, 0.25]])
    assert mean_of_each(scores) == pytest.approx([0.75, 0.25])


def test_each_validation_is_a_line_and_a_resumed_training_replaces_its_own(tmp_path, caplog):
    validator = SimpleNamespace(state=SimpleNamespace(epoch=0, metric_details={}))
    handler = StructureDice(validator, ["cortex", "csf"], tmp_path)

    def epoch(number: int, *, validated: bool) -> None:
        if validated:
            validator.state.epoch += 1
            validator.state.metric_details = {"mean_dice": torch.tensor([[0.1 * number, 0.5]])}
        handler(SimpleNamespace(state=SimpleNamespace(epoch=number)))

    with caplog.at_level(logging.INFO):
        for number in range(1, 5):
            epoch(number, validated=number % 2 == 0)
    assert "Dice after epoch 2: cortex 0.200, csf 0.500" in caplog.text
    lines = (tmp_path / "validation.tsv").read_text().splitlines()
    assert lines == ["epoch\tcortex\tcsf", "2\t0.2000\t0.5000", "4\t0.4000\t0.5000"]
    again = StructureDice(validator, ["cortex", "csf"], tmp_path)
    validator.state.metric_details = {"mean_dice": torch.tensor([[0.3, 0.3]])}
    again(SimpleNamespace(state=SimpleNamespace(epoch=4)))
    assert (tmp_path / "validation.tsv").read_text().splitlines()[1:] == ["2\t0.2000\t0.5000", "4\t0.3000\t0.3000"]
