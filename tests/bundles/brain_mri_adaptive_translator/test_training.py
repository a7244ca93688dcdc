"""The stages by their own configs, on tiny phantoms."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from brain_bundles.utils.loading import load_weights, read_plain

from ..tracked import check_tracking, check_tracking_option
from .conftest import STAGES, TINY_BASELINES, Bundle


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


@torch.no_grad()
def test_the_first_stage_validates_reconstruction_and_translation(trained, tmp_path):
    workflow = trained.workflow("train_autoencoder", tmp_path, num_val_subjects=2)
    workflow.initialize()
    load_weights(workflow.parser.get_parsed_content("autoencoder_def"), trained.ckpt_dir / "autoencoder.pt")
    evaluator = workflow.parser.get_parsed_content("validate::evaluator")
    evaluator.run()
    network = workflow.parser.get_parsed_content("autoencoder").eval()
    expected = {"psnr": [], "translation_psnr": []}
    for batch in workflow.parser.get_parsed_content("validate::dataloader"):
        image, label = (batch[key].as_tensor() for key in ("image", "label"))
        translation = network.translate(image, batch["target"].tolist())
        for name, made, true in (
            ("psnr", network.reconstruct(image), image),
            ("translation_psnr", translation, label),
        ):
            expected[name].append(-10 * (made - true).square().mean().log10())
    found = {name: evaluator.state.metrics[name] for name in expected}
    assert found == pytest.approx({name: float(torch.stack(all_).mean()) for name, all_ in expected.items()}, abs=1e-3)

    alone = trained.workflow("train_autoencoder", tmp_path, translation_weight=0, cycle_weight=0)
    alone.initialize()
    evaluator = alone.parser.get_parsed_content("validate::evaluator")
    evaluator.run()
    assert set(evaluator.state.metrics) == {"psnr"}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("train_autoencoder", "autoencoder"),
        ("train_spade", "autoencoder"),
        ("train", "model"),
        ("baseline_pix2pix", "pix2pix_T1w_T2w"),
        ("baseline_cyclegan", "cyclegan_T2w_T1w"),
        ("baseline_unet", "unet"),
    ],
)
@pytest.mark.long
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(trained, tmp_path, name, file):
    whole, killed = trained.train_twice(name, f"{file}.pt", tmp_path, max_epochs=4)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.distributed
@pytest.mark.parametrize(
    "name",
    [
        "train_autoencoder",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("train_spade", "train", *TINY_BASELINES)),
    ],
)
def test_stages_train_in_two_processes(trained, tmp_path, name):
    """Layers of targets that a batch lacks get no gradient, which DDP must be told to accept."""
    bundle = trained.copy_to(tmp_path / "models")
    before = {path.name: path.stat().st_mtime_ns for path in bundle.ckpt_dir.glob("*.pt")}
    bundle.run_in_two_processes(name, tmp_path / "out", "multi_gpu_train")
    assert any(path.stat().st_mtime_ns != before.get(path.name) for path in bundle.ckpt_dir.glob("*.pt"))


@pytest.mark.long
def test_compiled_networks_train_and_sample_as_plain_ones(trained, tmp_path):
    trained.compare_compiled(tmp_path, split="test")


@pytest.mark.parametrize(
    ("name", "file"), [("train_autoencoder", "autoencoder"), ("train_spade", "autoencoder"), ("train", "model")]
)
def test_stages_go_on_from_initial_weights(trained, tmp_path, name, file):
    """Without a training step the weights stay the same."""
    bundle = trained.copy_to(tmp_path / "models")
    given = bundle.ckpt_dir / f"{file}.pt"
    before = weights(bundle, file)
    initial = tmp_path / "initial.pt"
    if name == "train_spade":
        given.rename(initial)
    else:
        shutil.copy(given, initial)
    learning_rate = "learning_rate" if name == "train_autoencoder" else "muon_learning_rate"
    bundle.run(name, tmp_path / "out", initial_weights=str(initial), max_epochs=1, **{learning_rate: 1e-12})
    after = weights(bundle, file)
    for key, value in after.items():
        if not re.search(r"latent_(mean|std)|quantiser", key):  # measured anew, and dead codes are revived
            torch.testing.assert_close(value.float(), before[key].float(), atol=1e-6, rtol=1e-4)


def test_weights_of_three_contrasts_go_on_with_scans_of_two(trained, tmp_path):
    """Every stage and the comparison, on subjects without T2w; one validation subject also lacks T1w."""
    dataset = tmp_path / "two"
    shutil.copytree(trained.dataset_dir, dataset)
    for path in dataset.glob("sub-*/anat/*_T2w.nii.gz"):
        path.unlink()
    bundle = Bundle(dataset, tmp_path / "models")
    shutil.copytree(trained.ckpt_dir, bundle.ckpt_dir, ignore=shutil.ignore_patterns("cache"))
    with pytest.raises(RuntimeError) as refused:
        bundle.run("train_spade", tmp_path / "refused")
    assert "no subject of split train has T2w; leave it out of the contrasts, or set" in str(refused.value.__cause__)
    for name, file in (("train_autoencoder", "autoencoder"), ("train_spade", None), ("train", "model")):
        initial = None if file is None else str(bundle.ckpt_dir / f"{file}.pt")
        bundle.run(name, tmp_path / name, allow_unseen_contrasts=True, initial_weights=initial)
    assert (tmp_path / "train" / "samples_0002.png").is_file()
    bundle.run("inference", tmp_path / "out", "evaluate", metrics_dir=str(tmp_path / "evaluated"))
    metrics = json.loads((tmp_path / "evaluated" / "metrics.json").read_text())
    assert set(metrics["methods"]["adaptive translator"]["brain"]) == {"T1w to FLAIR", "FLAIR to T1w", "all"}
    assert (tmp_path / "evaluated" / "matrix.png").is_file()


@pytest.mark.parametrize("name", [*STAGES, *TINY_BASELINES])
def test_trackers_hold_losses_learning_rate_metrics_pictures_and_settings(trained, tmp_path, monkeypatch, name):
    check_tracking(trained.copy_to(tmp_path / "models"), name, tmp_path / "out", monkeypatch)


@pytest.mark.parametrize("name", [*STAGES, *TINY_BASELINES])
def test_the_option_tracking_of_monai_works(trained, tmp_path, name):
    check_tracking_option(trained.copy_to(tmp_path / "models"), name, tmp_path / "out")
