"""The stages by their own configs, on tiny phantoms."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.networks.loading import read_plain

from .conftest import Bundle


def weights(bundle: Bundle, name: str) -> dict[str, torch.Tensor]:
    return read_plain(bundle.ckpt_dir / f"{name}.pt")


def test_stages_write_plain_weights_that_fit_the_next(trained):
    autoencoder = weights(trained, "autoencoder")
    assert {"autoencoder.latent_mean", "autoencoder.quantiser.codebooks"} <= set(autoencoder)
    assert any(name.startswith("ms_spade.") for name in autoencoder)
    assert autoencoder["autoencoder.latent_std"].unique().numel() == 1  # one scale for all channels
    model = weights(trained, "model")
    assert all(isinstance(value, torch.Tensor) for value in model.values())
    for name in ("std", "estimate_std"):  # measured on the latents
        assert model[f"preconditioning.{name}"].unique().numel() > 1


def test_training_ms_spade_leaves_the_autoencoder_alone(trained, tmp_path):
    before = weights(trained, "autoencoder")
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("train_spade", tmp_path / "out")
    after = weights(bundle, "autoencoder")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("ms_spade.") for name in changed)


def test_the_autoencoder_alone_is_the_first_of_two_stages(trained, tmp_path):
    bundle = Bundle(trained.dataset_dir, tmp_path / "models")
    bundle.run("train_autoencoder", tmp_path / "out", translation_weight=0, cycle_weight=0)
    assert "autoencoder.latent_std" in weights(bundle, "autoencoder")


@pytest.mark.parametrize("name", ["train_autoencoder", "train_spade", "train", "baseline_pix2pix"])
def test_workflows_have_every_property(trained, tmp_path, name):
    workflow = trained.workflow(name, tmp_path)
    workflow.initialize()
    assert workflow.check_properties() == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("train_autoencoder", "autoencoder"),
        ("train_spade", "autoencoder"),
        ("train", "model"),
        ("baseline_pix2pix", "pix2pix_T1w_T2w"),
    ],
)
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(trained, tmp_path, name, file):
    whole, killed = trained.train_twice(name, f"{file}.pt", tmp_path, max_epochs=4)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.distributed
@pytest.mark.parametrize("name", ["train_autoencoder", "train_spade", "train", "baseline_pix2pix"])
def test_stages_train_in_two_processes(trained, tmp_path, name):
    """A batch leaves the layers of the targets that it lacks without a gradient, which DDP minds unless it is told."""
    bundle = trained.copy_to(tmp_path / "models")
    before = {path.name: path.stat().st_mtime_ns for path in bundle.ckpt_dir.glob("*.pt")}
    bundle.run_in_two_processes(name, tmp_path / "out", "multi_gpu_train")
    assert any(path.stat().st_mtime_ns != before.get(path.name) for path in bundle.ckpt_dir.glob("*.pt"))


def test_compiled_networks_train_and_sample_as_plain_ones(trained, tmp_path):
    trained.compare_compiled(tmp_path, split="test")
