"""The three stages by their configs, and the files that they pass on."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import DatasetError
from brain_bundles.phantom import write_phantoms
from brain_bundles.utils.recipe import RECIPE_KEY

from ..tracked import check_tracking, check_tracking_option
from .conftest import STAGES, TINY, TINY_BASELINES, Bundle

FILES = {
    "train_autoencoder": "autoencoder.pt",
    "train_slices": "slice_model.pt",
    "train": "model.pt",
    "baseline_pix2pix": "pix2pix.pt",
    "baseline_cyclegan": "cyclegan.pt",
    "baseline_unet": "unet_2d.pt",
    "baseline_palette": "palette_2d.pt",
}


def weights(bundle: Bundle, stage: str) -> dict[str, torch.Tensor]:
    return torch.load(bundle.ckpt_dir / FILES[stage], weights_only=True)


def test_the_autoencoder_learns_slices_of_both_contrasts(trained, tmp_path):
    workflow = trained.workflow("train_autoencoder", tmp_path)
    workflow.initialize()
    images = [item["image"] for item in workflow.parser.get_parsed_content("train::datalist")]
    assert sum("_T1w" in path for path in images) == sum("_T2w" in path for path in images) == len(images) / 2
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    assert batch["image"].shape == (2, 1, 32, 48)


def test_the_latents_scale_is_measured_over_whole_volumes(trained):
    state = weights(trained, "train_autoencoder")
    assert bool((state["latent_std"] > 0).all())
    assert not torch.equal(state["latent_mean"], torch.zeros_like(state["latent_mean"]))


def test_the_volumetric_training_leaves_the_slice_network_alone(trained):
    slices, volumes = weights(trained, "train_slices"), weights(trained, "train")
    assert all(torch.equal(volumes[name], value) for name, value in slices.items() if name != RECIPE_KEY)
    new = {name: value for name, value in volumes.items() if name not in slices}
    assert all(".volumetric." in name for name in new)
    kernels = [value for name, value in new.items() if name.endswith("weight")]
    identity = [torch.nn.init.dirac_(torch.empty_like(kernel)) for kernel in kernels]
    assert any(not torch.equal(a, b) for a, b in zip(kernels, identity, strict=True))


def test_train_all_trains_the_slice_network_too(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("train", tmp_path / "out", max_epochs=1, train_all=True, volumetric_attention=True)
    slices, volumes = weights(bundle, "train_slices"), weights(bundle, "train")
    assert any(not torch.equal(volumes[name], value) for name, value in slices.items())
    assert any(".volumetric_attention." in name for name in volumes)


def test_windows_are_runs_of_neighbouring_slices(trained, tmp_path):
    workflow = trained.workflow("train", tmp_path, slices_per_window=6)
    workflow.initialize()
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    assert batch["label_mean"].shape == batch["image_mean"].shape == (2, 12, 6, 8, 12)
    prepare = workflow.parser.get_parsed_content("train::prepare_batch")
    assert prepare(batch)[3]["timesteps"].shape == (2,)  # one for all slices of a window


def test_another_pair_of_contrasts_is_config_only(tmp_path):
    """The paper's in-house task: susceptibility-weighted images to angiograms."""
    data = write_phantoms(tmp_path / "data", num_subjects=4, suffixes=("swi", "angio"), num_workers=1, **TINY)
    bundle = Bundle(data, tmp_path / "models")
    for stage in STAGES:
        bundle.run(stage, tmp_path / stage, source="swi", target="angio", max_epochs=1)
    bundle.run("inference", tmp_path / "out", source="swi", target="angio", split="test")
    assert len(list((tmp_path / "out").rglob("*_angio.nii.gz"))) == 1


def test_a_vector_quantised_autoencoder_is_config_only(trained, tmp_path):
    class Quantised(Bundle):
        def overrides(self, name, output_dir, **options):
            return {
                k: v for k, v in super().overrides(name, output_dir, **options).items() if "autoencoder_def" not in k
            }

    bundle = Quantised(trained.dataset_dir, tmp_path / "models")
    for stage in STAGES:
        bundle.run(stage, tmp_path / stage, "vq", max_epochs=1)
    assert "quantiser.codebooks" in weights(bundle, "train_autoencoder")


def test_all_stages_are_fine_tuned_from_the_two_files_that_ship(trained, tmp_path):
    """The second stage takes the slice network out of model.pt; the third puts it back among the volumetric layers."""
    shipped = {name: str(trained.ckpt_dir / name) for name in ("autoencoder.pt", "model.pt")}
    bundle = Bundle(trained.dataset_dir, tmp_path / "models")
    options = {"max_epochs": 1, "learning_rate": 0.0}
    bundle.run("train_autoencoder", tmp_path / "1", initial_weights=shipped["autoencoder.pt"], **options)
    bundle.run("train_slices", tmp_path / "2", initial_weights=shipped["model.pt"], **options)
    slices, before = weights(bundle, "train_slices"), weights(trained, "train")
    assert slices
    assert all(torch.equal(value, before[name]) for name, value in slices.items())

    slices["unet.out.2.conv.bias"] += 1.0
    torch.save(slices, bundle.ckpt_dir / "slice_model.pt")
    bundle.run("train", tmp_path / "3", initial_weights=shipped["model.pt"], **options)
    after = weights(bundle, "train")
    assert after.keys() == before.keys()
    assert all(torch.equal(value, slices.get(name, before[name])) for name, value in after.items())

    bundle.run("train", tmp_path / "4", initial_weights=shipped["model.pt"], slice_weights=None, **options)
    assert all(torch.equal(value, before[name]) for name, value in weights(bundle, "train").items())


@pytest.mark.long
@pytest.mark.distributed
@pytest.mark.parametrize("stage", [*STAGES, *TINY_BASELINES])
def test_stages_train_in_two_processes(trained, tmp_path, stage):
    bundle = trained.copy_to(tmp_path / "models")
    before = {path.name: path.stat().st_mtime_ns for path in bundle.ckpt_dir.glob("*.pt")}
    bundle.run_in_two_processes(stage, tmp_path / "out", "multi_gpu_train")
    assert any(path.stat().st_mtime_ns != before.get(path.name) for path in bundle.ckpt_dir.glob("*.pt"))


@pytest.mark.parametrize("stage", ["train_slices", "train"])
def test_a_missing_earlier_stage_is_named(tiny_pairs, tmp_path, stage):
    with pytest.raises(RuntimeError) as error:
        Bundle(tiny_pairs, tmp_path / "nothing").run(stage, tmp_path / "out")
    assert "autoencoder.pt does not exist; train first" in str(error.value.__cause__)


def test_all_bad_pairs_are_reported_before_the_training(tiny_pairs, trained, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tiny_pairs, data)

    def path(number: int, suffix: str):
        return data / f"sub-000{number}" / "anat" / f"sub-000{number}_{suffix}.nii.gz"

    image = nib.load(path(1, "T2w"))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:-1], image.affine), path(1, "T2w"))
    nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), path(2, "T1w"))
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.float32), image.affine), path(3, "T2w"))
    path(4, "T1w").write_bytes(path(4, "T1w").read_bytes()[:2000])
    bundle = Bundle(data, trained.ckpt_dir)
    before = {item: item.stat().st_mtime_ns for item in bundle.ckpt_dir.rglob("*")}
    with pytest.raises(RuntimeError) as error:
        bundle.run("train_slices", tmp_path / "out")
    assert {item: item.stat().st_mtime_ns for item in bundle.ckpt_dir.rglob("*")} == before  # weights and caches
    assert not (tmp_path / "out").exists()
    cause = error.value.__cause__
    while cause is not None and not isinstance(cause, DatasetError):
        cause = cause.__cause__
    assert cause is not None
    for text in (
        "different grids",
        "sub-0001",
        "NaN",
        "sub-0002_T1w",
        "constant",
        "sub-0003_T2w",
        "truncated",
        "sub-0004_T1w",
    ):
        assert text in str(cause)


@pytest.mark.long
@pytest.mark.parametrize("stage", [*STAGES, *TINY_BASELINES])
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(trained, tmp_path, stage):
    whole, killed = trained.train_twice(stage, FILES[stage], tmp_path, max_epochs=4)
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.long
def test_compiled_networks_train_and_sample_as_plain_ones(trained, tmp_path):
    trained.compare_compiled(tmp_path, split="test")


@pytest.mark.parametrize("name", [*STAGES, *TINY_BASELINES])
def test_trackers_hold_losses_learning_rate_metrics_pictures_and_settings(trained, tmp_path, monkeypatch, name):
    check_tracking(trained.copy_to(tmp_path / "models"), name, tmp_path / "out", monkeypatch)


@pytest.mark.parametrize("name", [*STAGES, *TINY_BASELINES])
def test_the_option_tracking_of_monai_works(trained, tmp_path, name):
    check_tracking_option(trained.copy_to(tmp_path / "models"), name, tmp_path / "out")
