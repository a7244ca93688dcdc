"""What weights remember of their training: the command, without places on a machine."""

from __future__ import annotations

import pytest
from brain_bundles.data import TrainingData, training_data


@pytest.mark.parametrize("key", ["anatomies", "dataset_dir", "initial_weights"])
def test_the_command_has_no_places(tmp_path, monkeypatch, key):
    given = {"config_file": str(tmp_path / "configs" / "train.json"), key: str(tmp_path / "data"), "max_epochs": "3"}
    monkeypatch.setattr(training_data, "given_overrides", lambda: given)
    entry = TrainingData(tmp_path, [{"participant_id": "sub-01"}], ["T1w"])()
    assert entry["command"] == {"config_file": "train.json", "max_epochs": "3"}
    assert str(tmp_path) not in str(entry)
