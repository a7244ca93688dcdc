"""The recipe of the generator's weights in its configs: taken from the weights, and never contradicted in silence."""

from __future__ import annotations

import json
import re

import nibabel as nib
import pytest
import torch
from brain_bundles.utils import load_weights, read_recipe, recipe_of, save_network
from brain_bundles.utils.recipe import RECIPE_KEY
from monai.fl.client import MonaiAlgo
from monai.fl.utils.exchange_object import ExchangeObject

from .conftest import BUNDLE, Bundle

UNUSUAL = {"prediction_type": "epsilon", "beta_start": 0.0015, "beta_end": 0.0205}


@pytest.fixture(scope="session")
def unusual(trained, tmp_path_factory) -> Bundle:
    """Weights with other bounds and another noise schedule than the defaults of the configs."""
    folder = tmp_path_factory.mktemp("unusual")
    bundle = trained.copy_to(folder / "models")
    bounds = {"age": [30.0, 90.0], "ventricular_volume": [4.0, 120.0], "brain_volume": [800.0, 1600.0]}
    bundle.run("train", folder / "train", max_epochs=1, bounds=bounds, **UNUSUAL)
    return bundle


def test_weights_say_what_they_are(trained):
    autoencoder, model = (read_recipe([trained.ckpt_dir / name]) for name in ("autoencoder.pt", "model.pt"))
    assert autoencoder["spacing"] == model["spacing"] == 5.0
    assert autoencoder["spatial_size"] == [32, 48, 32]
    assert model["position_map"] == [8, 12, 8]
    assert model["prediction_type"] == "rectified_flow"
    assert set(model["bounds"]) == {"age", "ventricular_volume", "brain_volume"}
    assert set(model["attention_heads"].values()) == {1}
    (entry,) = model["trained_on"]
    assert entry["data"].startswith("4 subjects of 'Phantom population'")
    assert entry["subjects"] == 4
    assert entry["contrasts"] == ["T1w"]


def test_sampling_takes_everything_from_the_weights(unusual, tmp_path):
    workflow = unusual.run("inference", tmp_path / "out", num_samples=1)
    scheduler = workflow.parser.get_parsed_content("scheduler")
    assert scheduler.prediction_type == "epsilon"
    assert float(scheduler.betas[-1]) == pytest.approx(0.0205)
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["bounds"]["age"] == [30.0, 90.0]
    assert settings["recipe"] == recipe_of(workflow.parser.get_parsed_content("network"))
    image = nib.load(tmp_path / "out" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz")
    assert image.shape == (32, 48, 32)
    assert image.header.get_zooms() == (5.0, 5.0, 5.0)
    sidecar = json.loads((tmp_path / "out" / "sub-0001" / "anat" / "sub-0001_T1w.json").read_text())
    assert sidecar["ModelSpacing"] == 5.0
    assert sidecar["TrainedOn"][0].startswith("4 subjects of 'Phantom population'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": 1.0}, "spacing is 5.0 in the weights and 1.0 here"),
        ({"spatial_size": [32, 48, 48]}, "spatial_size is [32, 48, 32] in the weights and [32, 48, 48] here"),
        ({"prediction_type": "epsilon"}, "prediction_type is rectified_flow in the weights and epsilon here"),
        ({"beta_end": 0.02}, "beta_end is 0.04 in the weights and 0.02 here"),
        ({"suffix": "T2w"}, "suffix is T1w in the weights and T2w here"),
        ({"network_def::num_head_channels": [0, 0, 4]}, "attn1 is 1 in the weights and 2 here"),
        ({"network_def::norm_num_groups": 2}, "norm_groups is [4] in the weights and [2] here"),
    ],
)
def test_a_contradiction_names_the_key_and_both_values(trained, tmp_path, options, message):
    with pytest.raises(RuntimeError) as failure:
        trained.run("inference", tmp_path / "out", num_samples=1, **options)
    assert message in str(cause_of(failure.value))
    assert not (tmp_path / "out").exists()  # before anything was written


def test_another_noise_schedule_than_that_of_the_weights_is_named(velocity_trained, tmp_path):
    with pytest.raises(RuntimeError) as failure:
        velocity_trained.run("inference", tmp_path / "out", num_samples=1, **{"scheduler::beta_end": 0.02})
    assert "noise_schedule::alphas_cumprod is" in str(cause_of(failure.value))
    assert not (tmp_path / "out").exists()


def cause_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_an_autoencoder_of_another_training_is_refused(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    path = bundle.ckpt_dir / "autoencoder.pt"
    network = bundle.workflow("inference", tmp_path / "out").parser.get_parsed_content("autoencoder_def")
    load_weights(network, path).latent_mean.add_(1.0)
    save_network(network, path)
    with pytest.raises(RuntimeError) as failure:
        bundle.run("inference", tmp_path / "out", num_samples=1)
    assert re.search("autoencoder is [0-9a-f]{32} in the weights and [0-9a-f]{32} here", str(cause_of(failure.value)))


def test_without_positions_another_grid_of_the_same_spacing_works(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("train", tmp_path / "train", max_epochs=1, **{"network_def::position_channels": 0})
    options = {"network_def::position_channels": 0, "spatial_size": [48, 48, 32]}
    bundle.run("inference", tmp_path / "out", num_samples=1, **options)
    assert nib.load(tmp_path / "out" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").shape == (48, 48, 32)


def test_one_key_changes_the_grid_of_all_stages(trained, tiny_phantoms, tmp_path):
    bundle = Bundle(tiny_phantoms, tmp_path / "models")
    bundle.run("train_autoencoder", tmp_path / "a", max_epochs=1, spatial_size=[48, 48, 32])
    bundle.run("train", tmp_path / "b", max_epochs=1)
    bundle.run("inference", tmp_path / "out", num_samples=1)
    assert nib.load(tmp_path / "out" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").shape == (48, 48, 32)


def test_a_grid_that_the_autoencoder_cannot_halve_is_refused_by_its_key(trained, tmp_path):
    for size, why in (
        (30, "multiple of 4: the autoencoder"),
        (40, "multiple of 16: autoencoder and diffusion network"),
    ):
        with pytest.raises(RuntimeError) as failure:
            trained.run("inference", tmp_path / "out", num_samples=1, spatial_size=[size, 48, 32])
        message = f"spatial_size is [{size}, 48, 32], but {size} is not a {why}"
        assert message in str(cause_of(failure.value))


def test_fine_tuning_takes_it_and_adds_to_the_history(unusual, tmp_path):
    bundle = unusual.copy_to(tmp_path / "models")
    start = str(unusual.ckpt_dir / "model.pt")
    bundle.run("train", tmp_path / "fine", initial_weights=start, max_epochs=1, learning_rate=1e-4)
    before, after = (read_recipe([one.ckpt_dir / "model.pt"]) for one in (unusual, bundle))
    assert {key: after[key] for key in UNUSUAL} == UNUSUAL
    assert after["bounds"] == before["bounds"]
    assert after["trained_on"] == before["trained_on"]  # the same data by the same (Python) command
    other = {"prediction_type": "v_prediction", "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(RuntimeError) as failure:
        bundle.run("train", tmp_path / "other", initial_weights=start, **other)
    assert "prediction_type is epsilon in the weights and v_prediction here" in str(cause_of(failure.value))
    assert not (tmp_path / "cache").exists()  # it is refused before anything is encoded


def test_a_resume_with_another_recipe_is_refused(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    bundle.run("train", tmp_path / "out", max_epochs=1)
    with pytest.raises(RuntimeError) as failure:
        bundle.run("train", tmp_path / "out", max_epochs=2, resume=True, beta_end=0.02)
    assert "beta_end is 0.04 in the weights and 0.02 here" in str(cause_of(failure.value))


def test_clients_of_a_federation_keep_it(trained, tmp_path):
    """MONAI's own client trains on averaged weights; one whose recipe differs cannot take part."""
    clients = []
    for number in range(2):
        bundle = trained.copy_to(tmp_path / f"models{number}")
        overrides = bundle.overrides("train", tmp_path / f"out{number}", max_epochs=1)
        client = MonaiAlgo(
            bundle_root=str(BUNDLE),
            send_weight_diff=number == 1,
            config_evaluate_filename=None,
            train_kwargs=overrides,
        )
        client.initialize()
        clients.append(client)
    server = {key: value.clone() for key, value in clients[0].trainer.network.state_dict().items()}
    server[RECIPE_KEY].zero_()  # a server that builds the network without the configs
    sent = []
    for client in clients:
        client.train(ExchangeObject(weights=server))
        sent.append(client.get_weights().weights)
    full = {key: sent[0][key].float() for key in server}
    other = {key: server[key].float() + sent[1][key].float() for key in server if key != RECIPE_KEY}
    average = {key: (full[key] + other.get(key, full[key])) / 2 for key in server}
    clients[0].train(ExchangeObject(weights=average))
    kept = recipe_of(clients[0].trainer.network)
    assert kept["spacing"] == 5.0
    assert kept["bounds"] == read_recipe([trained.ckpt_dir / "model.pt"])["bounds"]
    mixed = {**average, RECIPE_KEY: average[RECIPE_KEY] * 0.9}
    with pytest.raises(ValueError, match="average of different recipes"):
        clients[1].train(ExchangeObject(weights=mixed))


def test_old_weights_say_what_to_do(trained, tmp_path):
    bundle = trained.copy_to(tmp_path / "models")
    state = torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    del state[RECIPE_KEY]
    torch.save(state, bundle.ckpt_dir / "model.pt")
    with pytest.raises(RuntimeError) as failure:
        bundle.run("inference", tmp_path / "out", num_samples=1)
    assert "python -m brain_bundles recipe WEIGHTS --set" in str(cause_of(failure.value))
