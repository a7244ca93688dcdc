"""Translations by the bundle's own config, with weights of a few steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, image_path
from brain_bundles.utils import hash_file
from brain_bundles.utils.weights_recipe import show_recipe
from monai.bundle import ConfigWorkflow

from .conftest import BUNDLE, CONTRASTS


def images(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.nii.gz"))}


@pytest.fixture(scope="module")
def translated(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "test"
    trained.run("inference", folder, split="test")
    return folder


def test_all_other_contrasts_are_made_on_the_grid_of_the_source(trained, translated):
    people = sorted(path.name for path in translated.glob("sub-*"))
    assert len(people) >= 2
    assert len(images(translated)) == 2 * len(people)
    for person in people:
        source = nib.load(image_path(trained.dataset_dir, person, "T1w"))
        for target in ("T2w", "FLAIR"):
            path = image_path(translated, person, f"desc-synth_{target}")
            image = nib.load(path)
            assert image.shape == source.shape
            np.testing.assert_allclose(image.affine, source.affine)
            data = image.get_fdata()
            assert data.min() >= 0
            assert data.max() <= 1
            sidecar = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
            assert sidecar["SourceContrast"] == "T1w"
            assert sidecar["TargetContrast"] == target
            assert sidecar["Model"] == "brain_mri_adaptive_translator"
            assert sidecar["ModelHash"] == hash_file(trained.ckpt_dir / "model.pt")
            assert isinstance(sidecar["Seed"], int)
    assert (translated / "logs" / "preview.png").is_file()


def test_a_target_has_the_same_values_alone_and_among_others(trained, translated, tmp_path):
    trained.run("inference", tmp_path / "one", split="test", targets=["FLAIR"])
    for name in images(tmp_path / "one"):
        one, among = (nib.load(folder / name).get_fdata() for folder in (tmp_path / "one", translated))
        np.testing.assert_allclose(one, among, atol=2e-3)  # int16 steps, and float32 sums of another batch


def test_a_run_goes_on_where_it_stopped(trained, translated, tmp_path):
    shutil.copytree(translated, tmp_path / "again")
    gone = sorted((tmp_path / "again").rglob("*_FLAIR.nii.gz"))[0]
    gone.unlink()
    trained.run("inference", tmp_path / "again", split="test")
    assert images(tmp_path / "again") == images(translated)


def test_the_look_of_people_and_what_it_saved(trained, translated, tmp_path):
    """A curve for each target; given again as a file it makes the same bytes."""
    trained.run("inference", tmp_path / "people", split="test", like=str(trained.dataset_dir))
    look = tmp_path / "people" / "logs" / "look.json"
    curves = json.loads(look.read_text())["curves"]
    assert {name: one["people"] for name, one in curves.items()} == {"T1w to T2w": 8, "T1w to FLAIR": 7}
    trained.run("inference", tmp_path / "file", split="test", like=str(look))
    assert images(tmp_path / "file") == images(tmp_path / "people")
    assert images(tmp_path / "file").keys() == images(translated).keys()
    for name, content in images(tmp_path / "people").items():
        assert content != images(translated)[name]
        target = name.removesuffix(".nii.gz").rpartition("_")[2]
        sidecar = json.loads((tmp_path / "file" / name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Look"] == {"Like": "look.json", "Curve": curves[f"T1w to {target}"]["points"]}
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", split="test", source="T2w", targets=["T1w"], like=str(look))
    assert "has curves of T1w to FLAIR, T1w to T2w, but none of T2w to T1w" in str(error.value.__cause__)


@pytest.mark.long
@pytest.mark.distributed
def test_two_processes_write_the_same_bytes_as_one(trained, translated, tmp_path):
    trained.run_in_two_processes("inference", tmp_path / "two", "multi_gpu_inference", split="test")
    assert images(tmp_path / "two") == images(translated)


def test_what_is_missing_is_filled_in(trained, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(trained.dataset_dir, data)
    image_path(data, "sub-0002", "T1w").unlink()
    trained.run("inference", tmp_path / "out", dataset_dir=str(data), targets="missing")
    assert set(images(tmp_path / "out")) == {
        "sub-0001/anat/sub-0001_desc-synth_FLAIR.nii.gz",
        "sub-0002/anat/sub-0002_desc-synth_T1w.nii.gz",
    }
    sidecar = json.loads((tmp_path / "out" / "sub-0002" / "anat" / "sub-0002_desc-synth_T1w.json").read_text())
    assert sidecar["SourceContrast"] == "T2w"


def test_files_and_a_start_at_the_target_like_latent(trained, tmp_path):
    source = image_path(trained.dataset_dir, "sub-0002", "T2w")
    trained.run("inference", tmp_path / "out", input=str(source), source="T2w", targets=["T1w"], start="target_like")
    assert set(images(tmp_path / "out")) == {"sub-0002_T2w_T1w.nii.gz"}


def test_the_spread_of_draws_is_calibrated_by_target_and_kept_by_the_weights(trained, tmp_path):
    bundle, folder = trained.copy_to(tmp_path / "models"), tmp_path / "calibrate"
    options = {"num_draws": 3, "num_inference_steps": 3}
    # Each person has another source, so three make all targets.
    bundle.run("inference", folder, "calibrate", **options, **{"fit_datalist::split": "train"}, num_fit_subjects=3)
    report, spread = (
        json.loads((folder / "spread.json").read_text()),
        show_recipe(bundle.ckpt_dir / "model.pt")["spread"],
    )
    assert spread == report["calibration"]
    assert (spread["num_inference_steps"], spread["num_draws"]) == (3, 3)
    assert spread["targets"].keys() == report["fit"].keys() == set(CONTRASTS)
    for name in CONTRASTS:
        assert report["fit"][name]["coverage"] == pytest.approx(0.95, abs=0.03)
        assert report["fit_uncalibrated"][name]["coverage"] < report["fit"][name]["coverage"]
    assert all(0 <= scores["coverage"] <= 1 for scores in report["test"].values())

    with pytest.raises(RuntimeError) as error:
        bundle.run("inference", tmp_path / "few", split="test", num_draws=3)
    assert "these weights have for num_inference_steps 3, not for 2" in str(error.value.__cause__)
    bundle.run("inference", tmp_path / "draws", split="test", **options)
    made = images(tmp_path / "draws")
    assert {name for name in made if "desc-std" in name} == {
        name.replace("desc-synth", "desc-std") for name in made if "desc-synth" in name
    }
    for name in (name for name in made if "desc-std" in name):
        deviations = nib.load(tmp_path / "draws" / name).get_fdata()
        floor = spread["targets"][name.removesuffix(".nii.gz").rpartition("_")[2]]["floor"]
        assert deviations[deviations > 0].min() >= floor - 0.01  # files hold 256 levels and interpolated edges

    initial = str(bundle.ckpt_dir / "model.pt")
    bundle.run("train", tmp_path / "train", initial_weights=initial, max_epochs=1)
    assert show_recipe(initial)["spread"] is None  # it was that of other weights
    with pytest.raises(RuntimeError) as error:
        bundle.run("inference", folder, "calibrate", **options, num_fit_subjects=1)
    assert "of 1 subjects none is translated to T1w" in str(error.value.__cause__)


def test_bad_volumes_are_left_out_and_the_others_finished(trained, tmp_path):
    """One volume cannot be read, and of another nothing is left on the model's grid."""
    folder = tmp_path / "in"
    folder.mkdir()
    good = image_path(trained.dataset_dir, "sub-0002", "T2w").read_bytes()
    for name, content in {"a": good, "cut": good[:2000], "z": good}.items():
        (folder / f"{name}_t2.nii.gz").write_bytes(content)
    dots = np.zeros((20, 20, 20), np.float32)
    dots[8, 8, 8:11] = 1, 2, 3
    nib.save(nib.Nifti1Image(dots, np.eye(4)), folder / "dots_t2.nii.gz")
    with pytest.raises((DatasetError, RuntimeError)) as error:
        trained.run("inference", tmp_path / "out", input=str(folder), source="T2w", targets=["T1w", "FLAIR"])
    text = f"{error.value} {error.value.__cause__}"
    assert "cut_t2.nii.gz" in text
    assert "dots_t2.nii.gz" in text
    made = {f"{name}_t2_{target}.nii.gz" for name in "az" for target in ("T1w", "FLAIR")}
    assert set(images(tmp_path / "out")) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "PDw"}, "unknown contrast 'PDw'; this model knows T1w, T2w, FLAIR"),
        ({"targets": ["T1w", "T2w"]}, "source and target are both 'T1w'"),
    ],
)
def test_contrasts_that_cannot_be(trained, tmp_path, options, message):
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path, **options)
    assert message in str(error.value.__cause__)


def test_a_dataset_without_any_known_contrast(trained, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(trained.dataset_dir, data)
    for path in data.rglob("anat/*.nii.gz"):
        path.unlink()
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", dataset_dir=str(data), targets="missing")
    assert isinstance(error.value.__cause__, DatasetError)
    assert "sub-0003 has none of T1w, T2w, FLAIR" in str(error.value.__cause__)


def test_inference_has_every_property(trained, tmp_path):
    workflow: ConfigWorkflow = trained.workflow("inference", tmp_path, split="test")
    workflow.initialize()
    assert workflow.check_properties() == []
    assert BUNDLE.name == "brain_mri_adaptive_translator"
