"""Translation by its config: every kind of input, the source's grid, seeds, windows, bad volumes, the comparison."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import monai
import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError
from brain_bundles.utils.weights_recipe import change_recipe, show_recipe

from ..conftest import without_split
from .conftest import Bundle


def images(folder: Path, pattern: str = "*_T2w.nii.gz") -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob(pattern))}


def source_of(bundle: Bundle, number: int) -> Path:
    return bundle.dataset_dir / f"sub-000{number}" / "anat" / f"sub-000{number}_T1w.nii.gz"


@pytest.fixture(scope="module")
def translated(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("translated") / "out"
    trained.run("inference", folder, split="test")
    return folder


def test_the_workflow_has_every_property_of_an_inference(trained, tmp_path):
    workflow = trained.workflow("inference", tmp_path / "out", split="test")
    workflow.initialize()
    assert workflow.check_properties() == []


def test_the_output_is_a_bids_derivative_on_the_sources_grid(trained, translated, bids_errors):
    assert list(images(translated)) == ["sub-0007_desc-synth_T2w.nii.gz", "sub-0008_desc-synth_T2w.nii.gz"]
    for number in (7, 8):
        made = nib.load(translated / f"sub-000{number}" / "anat" / f"sub-000{number}_desc-synth_T2w.nii.gz")
        source = nib.load(source_of(trained, number))
        assert made.shape == source.shape
        np.testing.assert_allclose(made.affine, source.affine)
    sidecar = json.loads((translated / "sub-0007" / "anat" / "sub-0007_desc-synth_T2w.json").read_text())
    assert sidecar["SourceContrast"] == "T1w"
    assert sidecar["ModelHash"] == hashlib.sha256((trained.ckpt_dir / "model.pt").read_bytes()).hexdigest()
    assert sidecar["Settings"] == json.loads((translated / "logs" / "run.json").read_text())["settings"]
    assert sidecar["Settings"]["scheduler"]["class"].endswith(".DPMSolverMultistepScheduler")
    assert sidecar["Device"] == "cpu"
    assert sidecar["Versions"]["monai"] == monai.__version__
    assert (translated / "logs" / "preview.png").stat().st_size > 1000
    assert bids_errors(translated) == []


def test_a_volume_does_not_depend_on_the_batch_or_on_the_other_volumes(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "batch", split="test", batch_size=2)
    trained.run("inference", tmp_path / "file", input=str(source_of(trained, 7)))
    several = nib.load(tmp_path / "batch" / "sub-0007" / "anat" / "sub-0007_desc-synth_T2w.nii.gz").get_fdata()
    alone = nib.load(translated / "sub-0007" / "anat" / "sub-0007_desc-synth_T2w.nii.gz").get_fdata()
    np.testing.assert_allclose(several, alone, atol=1e-3)  # sums in another order
    assert list(images(tmp_path / "file")) == ["sub-0007_T1w_T2w.nii.gz"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "again", split="test")
    trained.run("inference", tmp_path / "other", split="test", seed=1)
    assert images(tmp_path / "again") == images(translated)
    assert not set(images(tmp_path / "other").values()) & set(images(translated).values())


def test_windows_along_the_slices_are_a_key(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "one", split="test", slices_per_window=32)
    trained.run("inference", tmp_path / "windows", split="test", slices_per_window=8)
    assert images(tmp_path / "one") == images(translated)
    assert images(tmp_path / "windows").keys() == images(translated).keys()


def test_several_draws_give_a_mean_and_a_standard_deviation(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "draws", split="test", num_draws=3)
    folder = tmp_path / "draws" / "sub-0007" / "anat"
    mean, std = (
        nib.load(folder / f"sub-0007_{name}.nii.gz").get_fdata() for name in ("desc-synth_T2w", "desc-std_T2w")
    )
    assert mean.shape == std.shape
    assert std.max() > 0.01
    first = nib.load(translated / "sub-0007" / "anat" / "sub-0007_desc-synth_T2w.nii.gz").get_fdata()
    assert np.abs(first - mean).mean() > 0  # one of the three
    assert np.abs(first - mean).max() <= 1


def test_the_spread_of_draws_is_calibrated_kept_by_the_weights_and_dropped_by_a_training(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    folder = tmp_path / "calibrate"
    bundle.run("inference", folder, "calibrate", num_draws=3, num_inference_steps=3, num_test_subjects=1)
    report = json.loads((folder / "spread.json").read_text())
    assert report["fit"]["coverage"] == pytest.approx(0.95, abs=0.03)
    assert report["fit_uncalibrated"]["coverage"] < report["fit"]["coverage"]
    assert 0 <= report["test"]["coverage"] <= 1
    model = bundle.ckpt_dir / "model.pt"
    spread = show_recipe(model)["spread"]
    assert spread == report["calibration"]
    assert (spread["num_inference_steps"], spread["num_draws"]) == (3, 3)

    with pytest.raises(RuntimeError) as error:
        bundle.run("inference", tmp_path / "few", split="test", num_draws=3)
    assert "these weights have for num_inference_steps 3, not for 2" in str(error.value.__cause__)
    bundle.run("inference", tmp_path / "one", split="test")  # a single draw takes any number
    bundle.run("inference", tmp_path / "draws", split="test", num_draws=3, num_inference_steps=3)
    written = next((tmp_path / "draws").glob("sub-*/anat/*desc-std_T2w.nii.gz"))
    deviations = nib.load(written).get_fdata()
    assert deviations[deviations > 0].min() >= spread["floor"] - 0.01  # files hold 256 levels and interpolated edges

    bundle.run("train", tmp_path / "train", initial_weights=str(model), slice_weights=None, train_all=True)
    assert show_recipe(model)["spread"] is None


@pytest.mark.parametrize("axis", [0, 1])
def test_another_slice_axis_is_a_key(trained, tmp_path, axis):
    """Weights are for one axis; the networks work along any."""
    bundle = trained.copy_to(tmp_path / "models")
    with pytest.raises(RuntimeError) as error:
        bundle.run("inference", tmp_path / "out", split="test", slice_axis=axis)
    assert f"slice_axis is 2 in the weights and {axis} here" in str(error.value.__cause__)
    for name in ("autoencoder.pt", "model.pt"):
        change_recipe(bundle.ckpt_dir / name, {"slice_axis": axis})
    bundle.run("inference", tmp_path / "out", split="test")
    assert len(images(tmp_path / "out")) == 2


def test_any_orientation_spacing_and_number_of_slices_comes_back_on_its_own_grid(trained, tmp_path):
    source = nib.load(source_of(trained, 8))
    data = np.asarray(source.dataobj, dtype=np.float32)[::-1, :, 3::2]  # 15 thick slices, running to the left
    affine = source.affine @ np.diag([-1, 1, 2, 1])
    affine[:3, 3] = (source.affine @ [source.shape[0] - 1, 0, 3, 1])[:3]
    nib.save(
        nib.Nifti1Image(np.ascontiguousarray(data.transpose(2, 0, 1)), affine[:, [2, 0, 1, 3]]), tmp_path / "a.nii"
    )
    trained.run("inference", tmp_path / "out", input=str(tmp_path / "a.nii"))
    made = nib.load(tmp_path / "out" / "a_T2w.nii.gz")
    assert made.shape == (15, 32, 48)
    np.testing.assert_allclose(made.affine, affine[:, [2, 0, 1, 3]], atol=1e-5)


def test_bad_volumes_are_reported_and_skipped_and_the_run_ends_with_an_error(trained, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = source_of(trained, 7)
    for name in ("good", "last"):
        (folder / f"{name}_T1w.nii.gz").write_bytes(good.read_bytes())
    (folder / "cut_T1w.nii.gz").write_bytes(good.read_bytes()[:3000])
    dots = np.zeros((20, 20, 20), np.float32)
    dots[8, 8, 8:11] = 1, 2, 3  # its file is in order, but on the grid of 5 mm nothing is left
    nib.save(nib.Nifti1Image(dots, np.eye(4)), folder / "dots_T1w.nii.gz")
    image = nib.load(good)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine), folder / "zero_T1w.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((8, 8), np.float32), image.affine), folder / "flat_T1w.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8, 2), np.float32), image.affine), folder / "series_T1w.nii.gz")
    with pytest.raises((DatasetError, RuntimeError)) as error:
        trained.run("inference", tmp_path / "out", input=str(folder))
    text = f"{error.value} {error.value.__cause__}"
    assert all(
        name in text
        for name in ("cut_T1w.nii.gz", "zero_T1w.nii.gz", "flat_T1w.nii.gz", "series_T1w.nii.gz", "dots_T1w.nii.gz")
    )
    assert list(images(tmp_path / "out")) == ["good_T1w_T2w.nii.gz", "last_T1w_T2w.nii.gz"]


def test_the_exit_code_says_that_a_volume_was_skipped(trained, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good_T1w.nii.gz").write_bytes(source_of(trained, 7).read_bytes())
    (tmp_path / "in" / "bad_T1w.nii.gz").write_bytes(b"not an image")
    command = trained.command("inference", tmp_path / "out", input=str(tmp_path / "in"))
    process = trained.start(command, tmp_path)
    log = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert "bad_T1w.nii.gz" in log
    assert list(images(tmp_path / "out")) == ["good_T1w_T2w.nii.gz"]


def test_source_equal_to_target_is_refused(trained, tmp_path):
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", target="T1w")
    assert "two contrasts" in str(error.value.__cause__)


@pytest.mark.long
@pytest.mark.distributed
def test_two_processes_write_the_same_bytes_as_one(trained, translated, tmp_path):
    trained.run_in_two_processes("inference", tmp_path / "two", "multi_gpu_inference", split="test")
    assert images(tmp_path / "two") == images(translated)


def test_the_comparison_has_every_method_in_one_run(trained, tmp_path):
    """The baselines are trained for one short epoch each; the palettes take two steps."""
    bundle = trained.copy_to(tmp_path / "models")
    trainings = {"pix2pix": ("baseline_pix2pix", {}), "cyclegan": ("baseline_cyclegan", {})}
    trainings |= {
        f"{name}_{dims}d": (f"baseline_{name}", {"spatial_dims": dims})
        for name in ("unet", "palette")
        for dims in (2, 3)
    }
    channels = [4, 4, 4, 4]
    tiny: dict[str, object] = {
        "pix2pix_def::channels": channels,
        "cyclegan_def::channels": channels,
        "palette_steps": 2,
    }
    for name, (config, options) in trainings.items():
        bundle.run(config, tmp_path / name, max_epochs=1, samples_per_epoch=2, **options)
        tiny[f"baseline_weights::{name}"] = str(bundle.ckpt_dir / f"{name}.pt")
    for part in ("unet_2d_def", "unet_3d_def", "palette_2d_def::slice_network", "palette_3d_def"):
        tiny[f"{part}::channels"] = channels
    for part in ("palette_2d_def::slice_network", "palette_3d_def"):
        tiny |= {f"{part}::num_head_channels": [0, 0, 0, 4], f"{part}::norm_num_groups": 2}
    regression = trained.copy_to(tmp_path / "regression")
    for stage in ("train_slices", "train"):
        regression.run(stage, tmp_path / stage, max_epochs=1, regression=True)
    tiny["baseline_weights::regression"] = str(regression.ckpt_dir / "model.pt")
    bundle.run(
        "inference", tmp_path / "unused", "evaluate", metrics_dir=str(tmp_path / "metrics"), split="test", **tiny
    )
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    networks = ["pix2pix", "CycleGAN", "UNet 2D", "UNet 3D", "Palette 2D", "Palette 3D"]
    networks += ["same network, a regression", "slice model", "volumetric model"]
    assert list(metrics["methods"]) == ["copy", "intensity regression", *networks]
    assert metrics["num_subjects"] == 2
    assert {"metrics.md", "scores.tsv", "comparison.png"} <= {path.name for path in (tmp_path / "metrics").iterdir()}
    costs = metrics["costs"]
    assert list(costs) == networks
    assert costs["CycleGAN"]["parameters"] == costs["pix2pix"]["parameters"] == costs["UNet 2D"]["parameters"]
    assert costs["slice model"]["parameters"] < costs["volumetric model"]["parameters"]
    assert 0 < costs["slice model"]["operations"] < costs["volumetric model"]["operations"]
    assert costs["same network, a regression"]["parameters"] == costs["volumetric model"]["parameters"]
    with pytest.raises(RuntimeError) as error:
        regression.run("inference", tmp_path / "out", split="test", num_inference_steps=2)
    assert "num_inference_steps is 2, but the weights are a regression" in str(error.value.__cause__)


def test_the_comparison_needs_no_baseline_and_refuses_that_of_another_slice_axis(trained, tmp_path):
    options = {"metrics_dir": str(tmp_path / "metrics"), "split": "test"}
    trained.run("inference", tmp_path / "unused", "evaluate", **options)
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    assert list(metrics["methods"]) == ["copy", "intensity regression", "slice model", "volumetric model"]
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("baseline_unet", tmp_path / "unet", max_epochs=1, samples_per_epoch=2, slice_axis=0)
    weights = {"baseline_weights::unet_2d": str(bundle.ckpt_dir / "unet_2d.pt")}
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "unused", "evaluate", **options, **weights)
    assert "slice_axis is 0 in the weights and 2 here" in str(error.value.__cause__)


def test_the_regression_may_be_of_another_data_set(trained, tmp_path):
    """For people without a split of training, and as if they were in one folder with those of the regression."""
    people = without_split(trained.dataset_dir, tmp_path / "people", "train")
    found = []
    for place in ({}, {"dataset_dir": str(people), "regression_dir": str(trained.dataset_dir)}):
        trained.run("inference", tmp_path / "out", "evaluate", metrics_dir=str(tmp_path), split="test", **place)
        found.append(
            json.loads((tmp_path / "metrics.json").read_text())["methods"]["intensity regression"]["brain"]["all"][
                "psnr"
            ]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("stage", ["inference", "train"])
def test_weights_of_other_contrasts_are_refused(trained, tmp_path, stage):
    """The third stage, too: a frozen slice network cannot learn another translation."""
    with pytest.raises(RuntimeError) as error:
        trained.run(stage, tmp_path / "out", source="T2w", target="T1w")
    assert "source is T1w in the weights and T2w here; target is T2w in the weights and T1w here" in str(
        error.value.__cause__
    )


def test_missing_weights_are_named(trained, tmp_path):
    bundle = Bundle(trained.dataset_dir, tmp_path / "models")
    bundle.ckpt_dir.mkdir()
    for name in ("autoencoder.pt", "model.pt"):
        with pytest.raises(RuntimeError) as error:
            bundle.run("inference", tmp_path / "out", split="test")
        assert f"{name} does not exist; train first" in str(error.value.__cause__)
        shutil.copy(trained.ckpt_dir / name, bundle.ckpt_dir / name)


def test_the_look_of_people_is_in_images_and_sidecars(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "out", split="test", like=str(trained.dataset_dir))
    curves = json.loads((tmp_path / "out" / "logs" / "look.json").read_text())["curves"]
    assert images(tmp_path / "out").keys() == images(translated).keys()
    assert not set(images(tmp_path / "out").values()) & set(images(translated).values())
    (path,) = (tmp_path / "out").rglob("sub-0007_desc-synth_T2w.json")
    expected = {"Like": trained.dataset_dir.name, "Curve": curves["T1w to T2w"]["points"]}
    assert json.loads(path.read_text())["Look"] == expected


def test_native_detail_is_of_finer_sources_alone(trained, translated, tmp_path):
    """A source on the model's grid has none to give; one of voxels half as large has."""
    trained.run("inference", tmp_path / "same", split="test", native_detail=True)
    assert images(tmp_path / "same") == images(translated)
    (path,) = (tmp_path / "same").rglob("sub-0007_desc-synth_T2w.json")
    assert json.loads(path.read_text())["NativeDetail"] is True
    source = nib.load(next(trained.dataset_dir.rglob("sub-0007_T1w.nii.gz")))
    fine = np.kron(source.get_fdata(), np.ones((2, 2, 2)))
    fine *= 1 + 0.2 * np.indices(fine.shape).sum(0) % 2  # a pattern of single voxels
    affine = source.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    nib.save(nib.Nifti1Image(fine.astype(np.float32), affine), tmp_path / "sub-0007_T1w.nii.gz")
    made = []
    for detail in (False, True):
        options = {"input": str(tmp_path / "sub-0007_T1w.nii.gz")}
        trained.run("inference", tmp_path / str(detail), native_detail=detail, **options)
        (path,) = (tmp_path / str(detail)).rglob("*T2w.nii.gz")
        made.append(nib.load(path).get_fdata())
    assert made[0].shape == fine.shape
    assert not np.array_equal(*made)
