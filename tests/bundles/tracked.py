"""What a training left in TensorBoard and MLflow, read back from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import BundleRunner

TERMS = {  # beside the loss itself
    "train_autoencoder": "reconstruction_loss",
    "baseline_pix2pix": "discriminator_loss",
    "baseline_cyclegan": "cycle_loss",
    "baseline_lsgan": "adversarial_loss",
    "baseline_vaegan": "feature_loss",
}
COMMAND = ["site/monai/bundle/__main__.py", "run", "--max_epochs", "2", "--network_def::x", "[1, 2]"]


def check_tracking(bundle: BundleRunner, name: str, output_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train with both overlays: losses, learning rate, metrics, pictures and settings are in both, and alike."""
    pytest.importorskip("mlflow")
    monkeypatch.setattr("sys.argv", COMMAND)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    workflow = bundle.run(name, output_dir, "tensorboard", "mlflow", max_epochs=2)
    trainer = workflow.parser.get_parsed_content("train::trainer")
    validator = workflow.parser.get_parsed_content("validate::evaluator")
    board, flow = _read_tensorboard(output_dir), _read_mlflow(output_dir)

    for found in (board, flow):
        assert len(found["scalars"]["loss"]) == trainer.state.iteration
        assert len(found["scalars"]["lr_group_0"]) == trainer.state.iteration
        if name in TERMS:
            assert TERMS[name] in found["scalars"]
            assert "discriminator_lr_group_0" in found["scalars"]
        assert validator.state.metrics
        for metric, value in validator.state.metrics.items():
            assert len(found["scalars"][metric]) == 2  # after both epochs
            assert found["scalars"][metric][-1] == pytest.approx(float(value))
        assert found["settings"] == {"max_epochs": "2", "network_def::x": "[1, 2]"}
        assert found["pictures"] == len(list(output_dir.glob("*_000[12].png")))
    for tag, values in board["scalars"].items():
        assert flow["scalars"][tag] == pytest.approx(values)


def check_tracking_option(bundle: BundleRunner, name: str, output_dir: Path) -> None:
    """Train with MONAI's own option ``--tracking mlflow``."""
    pytest.importorskip("mlflow")
    workflow = bundle.run(name, output_dir, tracking="mlflow", max_epochs=1)
    scalars = _read_mlflow(output_dir)["scalars"]
    trainer = workflow.parser.get_parsed_content("train::trainer")
    validator = workflow.parser.get_parsed_content("validate::evaluator")
    assert len(scalars["train_loss"]) == len(scalars["lr_group_0"]) == trainer.state.iteration
    assert scalars.keys() >= validator.state.metrics.keys()


def _read_tensorboard(output_dir: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(output_dir / "tensorboard"), size_guidance={"images": 0}).Reload()
    tags = events.Tags()
    (text,) = events.Tensors("settings/text_summary")
    return {
        "scalars": {tag: [event.value for event in events.Scalars(tag)] for tag in tags["scalars"]},
        "pictures": sum(len(events.Images(tag)) for tag in tags["images"]),
        "settings": json.loads(text.tensor_proto.string_val[0]),
    }


def _read_mlflow(output_dir: Path) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{output_dir / 'mlruns.db'}")
    (run,) = [one for e in client.search_experiments() for one in client.search_runs([e.experiment_id])]
    assert run.info.status == "FINISHED"
    history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {
        "scalars": {
            key: [one.value for one in sorted(values, key=lambda one: one.step)] for key, values in history.items()
        },
        "pictures": len(client.list_artifacts(run.info.run_id, "previews")),
        "settings": {key: value for key, value in run.data.params.items() if key not in ("epoch_length",)},
    }
