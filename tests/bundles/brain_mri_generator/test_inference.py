"""Sampling by its config: the right files, reproducible, resumable, and honest about bad input."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import read_participants
from brain_bundles.utils import hash_file
from brain_bundles.utils.weights_recipe import change_recipe
from monai.bundle import run

from .conftest import BUNDLE


def images(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*_T1w.nii.gz"))}


@pytest.fixture(scope="module")
def generated(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated") / "out"
    trained.run("inference", folder, num_samples=3, age=60, sex="F")
    return folder


def test_the_workflow_has_every_property_of_an_inference(trained, tmp_path):
    workflow = trained.workflow("inference", tmp_path / "out", num_samples=1)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_output_is_a_bids_dataset_with_the_grid_of_the_config(generated, bids_errors):
    rows = read_participants(generated)
    assert [row["participant_id"] for row in rows] == ["sub-0001", "sub-0002", "sub-0003"]
    assert all(row["age"] == 60 and row["sex"] == "F" for row in rows)
    assert len({row["ventricular_volume"] for row in rows}) == 3  # drawn given age and sex
    image = nib.load(generated / "sub-0002" / "anat" / "sub-0002_T1w.nii.gz")
    assert image.shape == (32, 48, 32)
    np.testing.assert_allclose(image.affine, [[5, 0, 0, -77.5], [0, 5, 0, -117.5], [0, 0, 5, -77.5], [0, 0, 0, 1]])
    assert (generated / "preview.png").stat().st_size > 1000
    assert bids_errors(generated) == []


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(trained, generated, tmp_path):
    trained.run("inference", tmp_path / "again", num_samples=3, age=60, sex="F")
    trained.run("inference", tmp_path / "other", num_samples=3, age=60, sex="F", seed=1)
    assert images(tmp_path / "again") == images(generated)
    assert not set(images(tmp_path / "other").values()) & set(images(generated).values())


def test_a_sample_does_not_depend_on_how_many_there_are(trained, generated, tmp_path):
    trained.run("inference", tmp_path / "one", num_samples=1, age=60, sex="F")
    assert images(tmp_path / "one").items() <= images(generated).items()


def test_the_batch_size_changes_nothing_but_rounding(trained, generated, tmp_path):
    trained.run("inference", tmp_path / "batch", num_samples=3, age=60, sex="F", batch_size=2)
    for path in generated.rglob("*_T1w.nii.gz"):
        twin = tmp_path / "batch" / path.relative_to(generated)
        np.testing.assert_allclose(nib.load(path).get_fdata(), nib.load(twin).get_fdata(), atol=2e-3)  # fp32 sums


def test_a_run_goes_on_where_it_stopped(trained, generated, tmp_path):
    """One image is gone, one is cut off, one is finished: the finished one is not touched."""
    folder = tmp_path / "out"
    trained.run("inference", folder, num_samples=3, age=60, sex="F")
    first, second, third = sorted(folder.rglob("*_T1w.nii.gz"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    before = third.stat().st_mtime_ns
    trained.run("inference", folder, num_samples=3, age=60, sex="F")
    assert images(folder) == images(generated)
    assert third.stat().st_mtime_ns == before


def test_a_finished_run_that_is_started_again_changes_nothing(trained, tmp_path):
    folder = tmp_path / "out"
    trained.run("inference", folder, num_samples=1)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")}
    trained.run("inference", folder, num_samples=1)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")} == before


def test_other_settings_in_the_same_folder_are_refused(trained, generated):
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", generated, num_samples=3, age=60, sex="F", num_inference_steps=4)
    assert "num_inference_steps: 3 there, 4 now" in str(error.value.__cause__)


SAMPLERS = {
    "rflow": "rectified_flow.RFlowScheduler",
    "dpm_solver": "dpm_solver.RFlowDPMSolverScheduler",
    "ddim": "ddim.DDIMScheduler",
    "dpm_solver of a schedule": "dpm_solver.DPMSolverMultistepScheduler",
    "ddpm": "ddpm.DDPMScheduler",
}


@pytest.mark.parametrize("case", SAMPLERS)
def test_samplers_are_a_key(trained, velocity_trained, tmp_path, case):
    sampler = case.split()[0]
    options: dict[str, object] = {"sampler": sampler, "num_inference_steps": 4}
    bundle = (trained if case in ("rflow", "dpm_solver") else velocity_trained).copy_to(tmp_path / "models")
    if sampler == "ddpm":  # takes every step of the schedule; here of weights that do not say which
        options["scheduler::num_train_timesteps"] = 4
        change_recipe(bundle.ckpt_dir / "model.pt", {"noise_schedule": None})
    bundle.run("inference", tmp_path / "out", num_samples=1, **options)
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["scheduler"]["class"] == f"brain_bundles.schedulers.{SAMPLERS[case]}"


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler"])
def test_a_scheduler_of_diffusers_replaces_ours_and_is_recorded(velocity_trained, tmp_path, name):
    pytest.importorskip("diffusers")
    scheduler = {
        "_target_": f"diffusers.{name}",
        "beta_schedule": "scaled_linear",
        "beta_start": "@beta_start",
        "beta_end": "@beta_end",
        "prediction_type": "@prediction_type",
    }
    velocity_trained.run("inference", tmp_path / "out", num_samples=1, num_inference_steps=20, scheduler=scheduler)
    found = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["scheduler"]
    assert found["class"].startswith("diffusers.schedulers.")
    assert found["class"].endswith(f".{name}")
    assert (found["prediction_type"], found["beta_schedule"]) == ("v_prediction", "scaled_linear")
    velocity_trained.run("inference", tmp_path / "ours", num_samples=1, num_inference_steps=20)
    made, ours = (
        nib.load(tmp_path / folder / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").get_fdata()
        for folder in ("out", "ours")
    )
    assert np.abs(made - ours).mean() < 0.1 * ours.std()  # of the same noise nearly the same image
    assert not np.array_equal(made, ours)


def test_the_record_is_of_the_weights_that_were_loaded(trained, tmp_path):
    other = tmp_path / "other.pt"
    weights = torch.load(trained.ckpt_dir / "model.pt", weights_only=True)
    torch.save({name: value + 0.01 if value.is_floating_point() else value for name, value in weights.items()}, other)
    trained.run("inference", tmp_path / "out", num_samples=1, **{"network::path": str(other)})
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["network"] == hash_file(other)
    assert settings["autoencoder"] == hash_file(trained.ckpt_dir / "autoencoder.pt")
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", num_samples=1)
    assert f"network: {hash_file(other)} there, {hash_file(trained.ckpt_dir / 'model.pt')} now" in str(
        error.value.__cause__
    )


def test_each_start_is_recorded_with_its_versions_device_threads_and_seconds(trained, tmp_path):
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            trained.run("inference", tmp_path / "out", num_samples=1)
        finally:
            torch.set_num_threads(1)
    starts = json.loads((tmp_path / "out" / "run.json").read_text())["starts"]
    assert [start["threads"] for start in starts] == [1, 2]
    assert all(start["device"] == "cpu" and start["versions"]["torch"] == torch.__version__ for start in starts)
    assert starts[0]["seconds"] > 0
    assert starts[0]["overrides"] is None  # not started by a command line


def test_where_sampling_ends_is_a_key_and_part_of_the_settings(trained, generated, tmp_path):
    trained.run("inference", tmp_path / "out", num_samples=3, age=60, sex="F", num_inference_steps=3, denoising_end=0.1)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["denoising_end"] == 0.1
    assert images(tmp_path / "out").keys() == images(generated).keys()
    assert all(image != images(generated)[name] for name, image in images(tmp_path / "out").items())


def test_a_wrong_setting_does_not_claim_the_folder(trained, tmp_path):
    with pytest.raises(RuntimeError):
        trained.run("inference", tmp_path / "out", num_samples=1, guidance_scale=-1)
    assert not (tmp_path / "out").exists()


def test_a_sampler_that_does_not_fit_is_refused(trained, tmp_path):
    for sampler, message in (
        ("ddim", "cannot run a network trained with prediction_type 'rectified_flow'"),
        ("euler", "sampler must be one of"),
    ):
        with pytest.raises(RuntimeError) as error:
            trained.run("inference", tmp_path / sampler, num_samples=1, sampler=sampler)
        assert message in str(error.value.__cause__)


def test_conditions_come_from_a_table(trained, tmp_path):
    table = tmp_path / "conditions.tsv"
    table.write_text("participant_id\tage\tsex\tventricular_volume\nsub-A\t50\tF\t12\nsub-B\t82\tM\tn/a\n")
    trained.run("inference", tmp_path / "out", conditions=str(table))
    rows = read_participants(tmp_path / "out")
    assert [(row["participant_id"], row["age"], row["sex"]) for row in rows] == [("sub-A", 50, "F"), ("sub-B", 82, "M")]
    assert rows[0]["ventricular_volume"] == 12
    assert images(tmp_path / "out").keys() == {"sub-A_T1w.nii.gz", "sub-B_T1w.nii.gz"}


def test_impossible_conditions_are_refused_with_their_rows(trained, tmp_path):
    table = tmp_path / "conditions.tsv"
    table.write_text("age\tsex\n-3\tF\n50\tX\nnan\tM\nold\tF\n")
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", conditions=str(table))
    message = str(error.value.__cause__)
    assert all(f"row {row}" in message for row in (1, 2, 3, 4))
    assert not (tmp_path / "out").exists()


def test_values_outside_of_the_training_range_are_warned_of_and_used(trained, tmp_path):
    with pytest.warns(UserWarning, match=r"ventricular_volume 150 is outside of 5 to 105 mL"):
        trained.run("inference", tmp_path / "out", num_samples=1, ventricular_volume=150)
    assert read_participants(tmp_path / "out")[0]["ventricular_volume"] == 150


@pytest.mark.distributed
def test_two_processes_write_the_same_bytes_as_one_and_go_on_after_a_dead_one(trained, tmp_path):
    single, double = tmp_path / "single", tmp_path / "double"
    options = {"num_samples": 6, "batch_size": 1, "num_inference_steps": 20}
    trained.run("inference", single, "multi_gpu_inference", **options)
    command = trained.command("inference", double, "multi_gpu_inference", processes=2, **options)

    process = trained.start(command, tmp_path)
    deadline = time.monotonic() + 240
    while not images(double) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    ranks = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(ranks[-1]), signal.SIGKILL)
    log = process.communicate(timeout=300)[0]
    assert process.returncode != 0, log
    assert 0 < len(images(double)) < 6
    assert (double / "participants.tsv").read_bytes() == (single / "participants.tsv").read_bytes()

    process = trained.start(command, tmp_path)
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 0, log
    assert images(double) == images(single)
    killed, whole = json.loads((double / "run.json").read_text())["starts"]
    assert killed["seconds"] is None
    assert whole["seconds"] > 0
    assert whole["processes"] == 2
    assert whole["overrides"]["num_inference_steps"] == "20"
    assert (double / "participants.tsv").read_bytes() == (single / "participants.tsv").read_bytes()


def test_the_weights_that_ship_make_a_brain_from_another_folder(tmp_path, monkeypatch):
    """The call of the command line, with ``--bundle_root`` and no other path."""
    monkeypatch.chdir(tmp_path)
    config = str(BUNDLE / "configs" / "inference.json")
    run(config_file=config, bundle_root=str(BUNDLE), output_dir=str(tmp_path / "out"), num_samples=1)
    data = nib.load(tmp_path / "out" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").get_fdata()
    assert data.shape == (80, 96, 80)
    assert 0.1 < (data > 0.2).mean() < 0.4  # the share of the grid that a brain fills
    assert data[:4].max() < 0.2  # and air around it
