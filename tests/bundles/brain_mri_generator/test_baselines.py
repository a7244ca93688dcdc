"""The baselines by their configs: they train, resume, are watched, sample and are evaluated like the generator."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.utils import decode_recipe
from brain_bundles.utils.recipe import RECIPE_KEY

from ..tracked import check_tracking, check_tracking_option
from .conftest import BASELINES, TINY, Bundle

FILES = {name: f"{name.removeprefix('baseline_')}.pt" for name in BASELINES}


@pytest.fixture(scope="module")
def baselines(tiny_phantoms, tmp_path_factory):
    """A bundle whose baselines were trained for a few steps by their own configs."""
    folder = tmp_path_factory.mktemp("baselines")
    bundle = Bundle(tiny_phantoms, folder / "models")
    for name in BASELINES:
        bundle.run(name, folder / name)
    return bundle


@pytest.mark.parametrize("name", BASELINES)
def test_a_training_writes_its_generator_alone_with_its_recipe_and_pictures(baselines, name):
    state = torch.load(baselines.ckpt_dir / FILES[name], weights_only=True)
    assert all(key.startswith(("linear.", "conv.", "recipe.")) for key in state)
    recipe = decode_recipe(state[RECIPE_KEY])
    assert recipe["spatial_size"] == TINY["spatial_size"]
    assert recipe["trained_on"][0]["subjects"] == 4
    assert len(list((baselines.ckpt_dir.parent / name).glob("samples_000[12].png"))) == 1  # after the last epoch


def test_every_part_is_trained(baselines, tmp_path):
    """Two epochs change every weight of generator, encoder and discriminator, and the average follows."""
    workflow = baselines.workflow("baseline_vaegan", tmp_path, ckpt_dir=str(tmp_path))
    workflow.initialize()
    parts = {part: workflow.parser.get_parsed_content(part) for part in ("network", "discriminator")}
    parts["average"] = workflow.parser.get_parsed_content("ema").ema_network
    before = {part: {k: v.clone() for k, v in module.named_parameters()} for part, module in parts.items()}
    workflow.run()
    for part, module in parts.items():
        for key, value in module.named_parameters():
            assert not torch.equal(value, before[part][key]), (part, key)


def test_weights_to_start_from_may_be_those_of_the_other_baseline(baselines, tmp_path):
    """A learning rate of 0 keeps them."""
    start = baselines.ckpt_dir / "lsgan.pt"
    options = {"initial_weights": str(start), "learning_rate": 0.0, "max_epochs": 1, "ckpt_dir": str(tmp_path)}
    baselines.run("baseline_vaegan", tmp_path / "out", **options)
    given, result = (torch.load(path, weights_only=True) for path in (start, tmp_path / "vaegan.pt"))
    assert all(torch.equal(result[key], value) for key, value in given.items() if key != RECIPE_KEY)


@pytest.mark.parametrize("name", BASELINES)
def test_a_killed_training_that_is_resumed_ends_like_an_uninterrupted_one(baselines, tmp_path, name):
    whole, killed = baselines.train_twice(name, FILES[name], tmp_path, max_epochs=4)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.distributed
@pytest.mark.parametrize("name", [pytest.param("baseline_lsgan", marks=pytest.mark.long), "baseline_vaegan"])
def test_two_processes_train_like_one_with_the_same_global_batch(baselines, tmp_path, name):
    """Volumes of the trained generators: batch 2 in one process, and batch 1 in each of two (gloo)."""
    outputs = [volume_of(baselines, name, tmp_path)]
    for processes in (1, 2):
        bundle = Bundle(baselines.dataset_dir, tmp_path / str(processes) / "models")
        start = str(baselines.ckpt_dir / FILES[name])
        options = {"batch_size": 2 // processes, "max_epochs": 1, "learning_rate": 0.01, "initial_weights": start}
        run = bundle.run if processes == 1 else bundle.run_in_two_processes
        run(name, tmp_path / str(processes), "multi_gpu_train", **options)
        outputs.append(volume_of(bundle, name, tmp_path))
    change, difference = (float((outputs[1] - other).abs().max()) for other in (outputs[0], outputs[2]))
    assert difference < 0.01 * change  # float32 sums in another order


def volume_of(bundle, name, folder):
    """Volume of a fixed code by a baseline's weights in the bundle's ckpt_dir."""
    options = {"generator_weights": str(bundle.ckpt_dir / FILES[name])}
    parser = bundle.workflow("baseline_inference", folder / "unused", **options).parser
    with torch.inference_mode():
        return parser.get_parsed_content("network")(torch.ones(1, 6))


def test_a_collapse_is_said(baselines, tmp_path, capsys):
    """A generator whose codes have no weight: every sample is the same volume."""
    weights = torch.load(baselines.ckpt_dir / "lsgan.pt", weights_only=True)
    weights["linear.weight"].zero_()
    torch.save(weights, tmp_path / "collapsed.pt")
    options = {"max_epochs": 1, "learning_rate": 0.0, "initial_weights": str(tmp_path / "collapsed.pt")}
    workflow = baselines.run("baseline_lsgan", tmp_path / "out", ckpt_dir=str(tmp_path / "models"), **options)
    assert (
        "Mode collapse: samples differ from each other 0.000 times as much as the images do" in capsys.readouterr().out
    )
    assert workflow.parser.get_parsed_content("validate::evaluator").state.metrics["diversity"] < 1e-3


@pytest.mark.parametrize("name", BASELINES)
def test_brains_of_a_baseline_are_a_bids_dataset_without_conditions(baselines, tmp_path, name, bids_errors):
    weights = str(baselines.ckpt_dir / FILES[name])
    for folder, options in (("one", {}), ("two", {"batch_size": 2})):
        baselines.run("baseline_inference", tmp_path / folder, generator_weights=weights, **options)
    images = sorted((tmp_path / "one").rglob("*_T1w.nii.gz"))
    assert len(images) == 3
    assert (tmp_path / "one" / "participants.tsv").read_text().splitlines()[0] == "participant_id\tseed"
    assert (tmp_path / "one" / "preview.png").stat().st_size > 0
    assert bids_errors(tmp_path / "one") == []
    sidecar = json.loads(images[0].with_name("sub-0001_T1w.json").read_text())
    assert sidecar["TrainedOn"][0].startswith("4 subjects of")
    volumes = [nib.load(path).get_fdata() for path in images]
    assert volumes[0].shape == tuple(TINY["spatial_size"])
    assert not np.array_equal(volumes[0], volumes[1])
    for path, volume in zip(sorted((tmp_path / "two").rglob("*_T1w.nii.gz")), volumes, strict=True):
        np.testing.assert_allclose(nib.load(path).get_fdata(), volume, atol=1e-4)  # another size of the batch


def test_weights_of_another_size_are_refused(baselines, tmp_path):
    options = {"generator_weights": str(baselines.ckpt_dir / "lsgan.pt"), "generator_def::channels": [8, 8, 8, 16]}
    with pytest.raises(RuntimeError) as error:
        baselines.run("baseline_inference", tmp_path / "out", **options)
    assert "lsgan.pt does not fit VolumeGenerator" in str(error.value.__cause__)


@pytest.mark.filterwarnings("ignore:.*cannot be measured")
def test_a_baseline_is_evaluated_like_the_generator(baselines, tmp_path):
    """A grid of 48x64x48 is the smallest for MS-SSIM: the LSGAN is trained on it for a step."""
    grid = {"spacing": 3.0, "spatial_size": [48, 64, 48]}
    bundle = Bundle(baselines.dataset_dir, tmp_path / "models")
    bundle.run("baseline_lsgan", tmp_path / "train", max_epochs=1, warn_cut=None, **grid)
    options = {"metrics_dir": str(tmp_path / "out"), "reference_dir": str(bundle.dataset_dir), "num_pairs": 2}
    workflow = bundle.run(
        "evaluated_baseline", tmp_path / "out" / "generated", ms_ssim_kernel_size=3, num_samples=3, **options
    )
    assert workflow.parser["sampler_rows"] is None
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_generated"] == 3
    assert metrics["fidelity"] == {}
    assert metrics["samplers"] == []
    assert 0 < metrics["ms_ssim"]["generated"]["mean"] <= 1
    for name in ("metrics.md", "measured.tsv", "requested_vs_measured.png", "generated/preview.png"):
        assert (tmp_path / "out" / name).stat().st_size > 0


@pytest.mark.parametrize("name", BASELINES)
def test_trackers_hold_losses_learning_rate_metrics_pictures_and_settings(baselines, tmp_path, monkeypatch, name):
    check_tracking(baselines.copy_to(tmp_path / "models"), name, tmp_path / "out", monkeypatch)


@pytest.mark.parametrize("name", BASELINES)
def test_the_option_tracking_of_monai_works(baselines, tmp_path, name):
    check_tracking_option(baselines.copy_to(tmp_path / "models"), name, tmp_path / "out")
