"""Both trainings by their configs: they train, they validate, and their files can be used."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles.data import read_tsv
from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.evaluation import KnownBrains
from brain_bundles.utils import read_recipe
from brain_bundles.utils.recipe import RECIPE_KEY
from brain_bundles.utils.weights_recipe import change_recipe

from ..tracked import check_tracking, check_tracking_option
from .conftest import Bundle


def test_checkpoints_are_plain_tensors_with_the_measured_scale_of_the_latents(trained):
    autoencoder = torch.load(trained.ckpt_dir / "autoencoder.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in autoencoder.values())
    assert bool((autoencoder["latent_std"] > 0).all())
    assert autoencoder["latent_std"].unique().numel() == 4  # scale_per_channel
    assert not torch.equal(autoencoder["latent_mean"], torch.zeros(4))
    network = torch.load(trained.ckpt_dir / "model.pt", weights_only=True)
    assert all(key in ("position", "not_given", RECIPE_KEY) or key.startswith("unet.") for key in network)
    assert network["position"].shape == (1, 24, 8, 12, 8)


def test_cached_latents_are_normalised(trained):
    (cache,) = [
        content
        for path in (trained.ckpt_dir / "cache").glob("latents_*.pt")
        if len((content := torch.load(path, weights_only=True))["mean"]) == 4  # the training split
    ]
    samples = cache["mean"].double(), cache["sigma"].double()
    variance = (samples[0] ** 2 + samples[1] ** 2).mean((0, 2, 3, 4)) - samples[0].mean((0, 2, 3, 4)) ** 2
    torch.testing.assert_close(samples[0].mean((0, 2, 3, 4)), torch.zeros(4, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(variance, torch.ones(4, dtype=torch.float64), atol=1e-3, rtol=0)


def test_another_autoencoder_is_encoded_anew(trained, tmp_path):
    """The cache of the first autoencoder is there, and is not used for the second."""
    bundle = trained.copy_to(tmp_path / "models")
    state = torch.load(bundle.ckpt_dir / "autoencoder.pt", weights_only=True)
    state["latent_mean"] += 1.0
    torch.save(state, bundle.ckpt_dir / "autoencoder.pt")
    before = {path.name for path in (bundle.ckpt_dir / "cache").iterdir()}
    bundle.run("train", tmp_path / "out", max_epochs=1)
    assert len({path.name for path in (bundle.ckpt_dir / "cache").iterdir()} - before) == 2  # training and validation


def test_a_workflow_that_was_looked_at_before_it_runs_ends_alike(trained, tmp_path):
    """The trainer and the average then exist before the steps that measure and load; two steps keep the start."""
    results = []
    for case in ("run", "looked at"):
        bundle = trained.copy_to(tmp_path / case / "models")
        initial = str(trained.ckpt_dir / "model.pt")
        workflow = bundle.workflow("train", tmp_path / case, initial_weights=initial, max_epochs=1)
        workflow.initialize()
        if case == "looked at":
            assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()
        results.append(torch.load(bundle.ckpt_dir / "model.pt", weights_only=True))
    assert all(torch.equal(results[1][key], value) for key, value in results[0].items())


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_other_predictions_train_by_config_only(trained, tmp_path, prediction_type):
    bundle = trained.copy_to(tmp_path / "models")
    workflow = bundle.run("train", tmp_path / "out", max_epochs=1, prediction_type=prediction_type)
    trainer = workflow.parser.get_parsed_content("train::trainer")
    assert math.isfinite(scalar_losses(trainer.state.output)["loss"])
    options = {"num_samples": 1, "prediction_type": prediction_type, "sampler": "ddim"}
    bundle.run("inference", tmp_path / "samples", **options)
    assert list((tmp_path / "samples").rglob("*_T1w.nii.gz"))


def test_the_published_parts_without_ours_by_config_only(trained, tmp_path):
    """One scale for all channels, and neither linear path nor positions (decision 35 names them)."""
    bundle = Bundle(trained.dataset_dir, tmp_path / "models")
    autoencoder = {"autoencoder_def::linear_shortcut": False}
    network = {"network_def::position_channels": 0, "condition_dropout": 0.0}
    bundle.run("train_autoencoder", tmp_path / "1", scale_per_channel=False, max_epochs=1, **autoencoder)
    bundle.run("train", tmp_path / "2", max_epochs=1, **autoencoder, **network)
    bundle.run("inference", tmp_path / "3", num_samples=1, **autoencoder, **network)
    assert list((tmp_path / "3").rglob("*_T1w.nii.gz"))
    assert torch.load(bundle.ckpt_dir / "autoencoder.pt", weights_only=True)["latent_std"].unique().numel() == 1
    assert all(
        key.startswith(("unet.", "recipe.")) for key in torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    )


@pytest.mark.parametrize(("name", "file"), [("train_autoencoder", "autoencoder.pt"), ("train", "model.pt")])
def test_fine_tuning_starts_from_given_weights(trained, tmp_path, name, file):
    """With a learning rate of zero the result is the given weights, not the random ones of the seed."""
    weights = trained.ckpt_dir / file
    bundle = trained.copy_to(tmp_path / "models")
    options = {"initial_weights": str(weights), "max_epochs": 1, "learning_rate": 0.0}
    bundle.run(name, tmp_path / "out", **options)
    start, result = (torch.load(path, weights_only=True) for path in (weights, bundle.ckpt_dir / file))
    for key in start:
        torch.testing.assert_close(result[key], start[key], atol=1e-5, rtol=1e-5)


def test_a_missing_autoencoder_is_named(tiny_phantoms, tmp_path):
    with pytest.raises(RuntimeError) as error:
        Bundle(tiny_phantoms, tmp_path / "nothing").run("train", tmp_path / "out")
    assert "autoencoder.pt does not exist; train first" in str(error.value.__cause__)


@pytest.mark.parametrize("name", ["train_autoencoder", "train"])
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(trained, tmp_path, name):
    """SIGKILL somewhere in the middle: the resumed run's weights are equal bit for bit."""
    file = "autoencoder.pt" if name == "train_autoencoder" else "model.pt"
    whole, killed = trained.train_twice(name, file, tmp_path, max_epochs=4)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.distributed
@pytest.mark.parametrize("name", [pytest.param("train_autoencoder", marks=pytest.mark.long), "train"])
def test_two_processes_train_like_one_with_the_same_global_batch(trained, tmp_path, name):
    """Compare outputs of the trained networks: batch 2 in one process, and batch 1 in each of two (gloo).

    Not the weights one by one: a bias before a normalisation has no gradient but rounding, which Adam scales up to its
    learning rate.
    """
    outputs = []
    for processes in (1, 2):
        bundle = trained.copy_to(tmp_path / str(processes) / "models")
        options = {"batch_size": 2 // processes, "max_epochs": 1, "learning_rate": 0.01}
        options |= {"warmup_start_factor": 1.0} if name == "train" else {}
        run = bundle.run if processes == 1 else bundle.run_in_two_processes
        run(name, tmp_path / str(processes), "multi_gpu_train", **options)
        outputs.append(output_of(bundle, name, tmp_path))
    before = output_of(trained, name, tmp_path)
    change, difference = (float((outputs[0] - other).abs().max()) for other in (before, outputs[1]))
    assert difference < 0.01 * change  # float32 sums in another order; two steps moved the output a hundred times more


def output_of(bundle, name, folder):
    """Output of one training's network for a fixed input, with the weights in the bundle's ckpt_dir."""
    parser = bundle.workflow("inference", folder / "unused").parser
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        if name == "train_autoencoder":
            autoencoder = parser.get_parsed_content("autoencoder").eval()
            return autoencoder.reconstruct(torch.rand(1, 1, 32, 48, 32, generator=generator))
        network = parser.get_parsed_content("network").eval()
        latent = torch.randn(1, 4, 8, 12, 8, generator=generator)
        return network(latent, torch.tensor([500.0]), torch.full((1, 1, 4), 0.3))


def test_metadata_and_paper_overlay_merge_with_every_training_file(trained, tmp_path):
    for name in ("train_autoencoder", "train"):
        workflow = trained.workflow(name, tmp_path, "paper", "multi_gpu_train")
        assert json.dumps(workflow.parser["autoencoder_def"])


def test_compiled_networks_train_and_sample_as_plain_ones(trained, tmp_path):
    trained.compare_compiled(tmp_path, num_samples=1)


@pytest.mark.parametrize("name", ["train_autoencoder", "train"])
def test_trackers_hold_losses_learning_rate_metrics_pictures_and_settings(trained, tmp_path, monkeypatch, name):
    check_tracking(trained.copy_to(tmp_path / "models"), name, tmp_path / "out", monkeypatch)


@pytest.mark.parametrize("name", ["train_autoencoder", "train"])
def test_the_option_tracking_of_monai_works(trained, tmp_path, name):
    check_tracking_option(trained.copy_to(tmp_path / "models"), name, tmp_path / "out")


def test_a_training_with_dropped_conditions_can_be_guided(trained, tmp_path):
    never, bundle = (trained.copy_to(tmp_path / name) for name in ("never", "models"))
    never.run("train", tmp_path / "never_dropped", max_epochs=1, condition_dropout=0.0)
    with pytest.raises(RuntimeError) as error:
        never.run("inference", tmp_path / "refused", num_samples=1, guidance_scale=2.0)
    assert "trained without condition_dropout" in str(error.value.__cause__)
    assert not (tmp_path / "refused").exists()
    bundle.run("train", tmp_path / "out", max_epochs=1, condition_dropout=0.3)
    assert "not_given" in torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    for name, scale in (("plain", 1.0), ("guided", 3.0)):  # the recipe tells inference about it
        bundle.run("inference", tmp_path / name, num_samples=1, age=60, sex="F", guidance_scale=scale)
    plain, guided = (next((tmp_path / name).rglob("*_T1w.nii.gz")).read_bytes() for name in ("plain", "guided"))
    assert plain != guided


@pytest.mark.parametrize(
    ("prediction_type", "sampler"), [("v_prediction", "DDIMScheduler"), ("rectified_flow", "RFlowScheduler")]
)
def test_a_distilled_network_samples_in_its_few_steps(trained, velocity_trained, tmp_path, prediction_type, sampler):
    source = velocity_trained if prediction_type == "v_prediction" else trained
    bundle = source.copy_to(tmp_path / "models")
    reader = bundle.ckpt_dir / "reader.pt"
    before = reader.stat().st_mtime_ns
    bundle.run("distil", tmp_path / "distil", teacher_steps=2, max_epochs=1)
    assert reader.stat().st_mtime_ns == before  # a calibrated reader stays
    recipe = read_recipe([bundle.ckpt_dir / "few_steps.pt"])
    assert recipe["num_student_steps"] == 4
    teacher, student = (
        torch.load(bundle.ckpt_dir / f"{name}.pt", weights_only=True) for name in ("model", "few_steps")
    )
    moved = [key for key in teacher if key.endswith("weight") and not torch.equal(teacher[key], student[key])]
    assert moved
    bundle.run("few_steps_inference", tmp_path / "out", num_samples=2)
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (settings["scheduler"]["class"].split(".")[-1], settings["num_inference_steps"]) == (sampler, 4)
    assert len(list((tmp_path / "out").rglob("*_T1w.nii.gz"))) == 2


def test_a_distillation_needs_its_teacher(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    (bundle.ckpt_dir / "model.pt").unlink()
    with pytest.raises(RuntimeError) as caught:  # MONAI's, around the cause
        bundle.run("distil", tmp_path / "distil")
    assert "model.pt does not exist; train first" in str(caught.value.__cause__)


def test_a_reader_is_fitted_alone_and_calibrated(trained, tmp_path, monkeypatch):
    bundle = trained.copy_to(tmp_path / "models")
    path = bundle.ckpt_dir / "reader.pt"
    path.unlink()
    wider = {
        name: [low, high + 1] for name, (low, high) in read_recipe([bundle.ckpt_dir / "model.pt"])["bounds"].items()
    }
    change_recipe(bundle.ckpt_dir / "model.pt", {"bounds": wider})
    bundle.run("fit_reader", tmp_path / "fit")
    fitted, recipe = torch.load(path, weights_only=True), read_recipe([path])
    assert recipe["bounds"] == wider  # what the network knows, not what a training from nothing would
    for given, said in ((None, "give --generated_dir"), (tmp_path, "no brain in it")):
        with pytest.raises(RuntimeError) as caught:  # MONAI's, around the cause
            bundle.run("calibrate_reader", tmp_path / "out", generated_dir=given, reference_dir=bundle.dataset_dir)
        assert said in str(caught.value.__cause__)
    volumes = {"ventricular_volume": np.linspace(10, 60, 9), "brain_volume": np.linspace(900, 1300, 9)}

    def measured(folder: Path, suffix: str, *, split: str | None = None, most: int | None = None) -> KnownBrains:
        """What is asked of the first set, half of it, and of the split of the other, all of it, comes out."""
        assert suffix == "T1w"
        assert (split, most) in ((None, None), ("val", 48))
        share = 0.5 if split is None else 1.0
        return KnownBrains(volumes, {name: [share * values] for name, values in volumes.items()})

    monkeypatch.setattr("brain_mri_generator.condition_calibration.measure_brains", measured)
    bundle.run("calibrate_reader", tmp_path / "out", generated_dir=tmp_path, reference_dir=bundle.dataset_dir)
    calibrated = torch.load(path, weights_only=True)
    torch.testing.assert_close(calibrated["weights"], fitted["weights"])
    torch.testing.assert_close(calibrated["aim_factor"], torch.tensor([1.0, 1, 2, 2]))
    assert read_recipe([path]) == recipe


def test_the_decoder_learns_to_draw_what_the_diffusion_generates(trained, tmp_path):
    """The encoder stays, so the diffusion's weights go with the new decoder; other latents are refused."""
    bundle, latents = trained.copy_to(tmp_path / "models"), tmp_path / "latents.pt"
    bundle.run("sample_latents", tmp_path / "sampled", num_samples=3, latents_path=str(latents))
    values = torch.load(latents, weights_only=True)["latents"]
    assert values.shape == (3, 4, 8, 12, 8)
    expected = bundle.run("inference", tmp_path / "before", num_samples=3).parser.get_parsed_content("inferer")
    assert expected.latent_shape == tuple(values.shape[1:])
    before = torch.load(bundle.ckpt_dir / "autoencoder.pt", weights_only=True)
    bundle.run("refine_decoder", tmp_path / "refined", latents_path=str(latents))
    after = torch.load(bundle.ckpt_dir / "autoencoder.pt", weights_only=True)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])} - {RECIPE_KEY}
    assert "decoder" in moved
    assert not moved & {"encoder", "quant_conv_mu", "latent_mean", "latent_std"}
    bundle.run("inference", tmp_path / "after", num_samples=1)
    images = [next((tmp_path / name).rglob("sub-0001_T1w.nii.gz")).read_bytes() for name in ("before", "after")]
    assert images[0] != images[1]
    torch.save({"latents": values, "autoencoder": "another"}, latents)
    with pytest.raises(RuntimeError) as caught:
        bundle.run("refine_decoder", tmp_path / "again", latents_path=str(latents))
    assert "are of another encoder" in _causes(caught.value)


HEAD_BOUNDS = {
    "age": [20.0, 90.0],
    "ventricular_volume": [5.0, 130.0],
    "brain_volume": [850.0, 1700.0],
    "intracranial_volume": [1000.0, 1950.0],
}


def test_weights_with_bounds_for_head_size_are_asked_for_it(trained, tmp_path):
    """From a folder with the column to brains whose table has it."""
    bundle = trained.copy_to(tmp_path / "models")
    dataset = tmp_path / "data"
    shutil.copytree(bundle.dataset_dir, dataset)
    table = (dataset / "participants.tsv").read_text().splitlines()
    rows = [f"{line}\t{value}" for line, value in zip(table, ["intracranial_volume", *["1500"] * 99], strict=False)]
    (dataset / "participants.tsv").write_text("\n".join(rows) + "\n")
    options = {"bounds": HEAD_BOUNDS, "max_epochs": 1}
    bundle.run("train", tmp_path / "out", dataset_dir=str(dataset), **options)
    assert read_recipe([bundle.ckpt_dir / "model.pt"])["bounds"] == HEAD_BOUNDS
    assert (
        torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)["unet.conv_in.conv.weight"].shape[1] == 4 + 5 + 24
    )
    bundle.run("inference", tmp_path / "brains", num_samples=2, intracranial_volume=1400.0)
    made = read_tsv(tmp_path / "brains" / "participants.tsv")
    assert [row["intracranial_volume"] for row in made] == ["1400", "1400"]
    with pytest.raises(RuntimeError) as caught:
        bundle.run("train", tmp_path / "again", **options)  # a folder without the column
    assert "missing column in participants.tsv (1):\n  intracranial_volume" in _causes(caught.value)
    assert not list((tmp_path / "again").glob("*.pt"))


def _causes(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text, error = f"{text}\n{error}", error.__cause__
    return text
