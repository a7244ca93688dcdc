"""Properties of the config files, checked without running a workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from brain_bundles.phantom import PopulationModel
from brain_bundles.utils import read_recipe
from monai.bundle import ConfigParser

from .conftest import BUNDLE


def load(name: str) -> dict[str, Any]:
    return json.loads((BUNDLE / "configs" / f"{name}.json").read_text())


def test_training_and_sampling_use_one_noise_schedule():
    train, inference = load("train"), load("inference")
    drawn = ("sampler", "sample_method", "loc", "scale")  # the solver, and how a training draws time steps
    assert {k: v for k, v in train["scheduler"].items() if k not in drawn} == {
        k: v for k, v in inference["scheduler"].items() if k not in drawn
    }


def test_bounds_are_the_range_of_the_population():
    assert {k: list(v) for k, v in PopulationModel.default().range.items()} == load("train")["default_bounds"]


def test_without_a_recipe_sampling_has_the_covariates_of_the_weights_that_ship():
    """MONAI's loader makes the network of the config, and passes over weights that do not fit."""
    bounds = {key: list(value) for key, value in read_recipe([BUNDLE / "models" / "model.pt"])["bounds"].items()}
    assert load("inference")["default_bounds"] == bounds


def test_paper_scale_has_exactly_the_published_networks():
    """Parameters as published; shapes of a forward pass on the meta device, which computes nothing."""
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", "paper.json")])
    with torch.device("meta"):
        autoencoder = parser.get_parsed_content("autoencoder_def").eval()
        network = parser.get_parsed_content("network_def").eval()
        assert sum(p.numel() for p in autoencoder.parameters()) == 13_766_248
        assert sum(p.numel() for p in network.parameters()) == 553_168_899
        with torch.inference_mode():
            mean, _ = autoencoder.encode(torch.empty(1, 1, 160, 224, 160))
            assert list(mean.shape[1:]) == parser.get_parsed_content("latent_shape") == [3, 20, 28, 20]
            assert network(mean, torch.empty(1), torch.empty(1, 1, 4)).shape == mean.shape
            assert autoencoder.decode(mean).shape == (1, 1, 160, 224, 160)


def test_paper_scale_has_the_published_schedule_and_conditions():
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", "paper.json")])
    scheduler = parser.get_parsed_content("scheduler")
    assert scheduler.num_train_timesteps == 1000
    betas = 1 - scheduler.alphas_cumprod[1:] / scheduler.alphas_cumprod[:-1]
    assert float(scheduler.betas[0]) == pytest.approx(0.0015)
    assert float(betas[-1]) == pytest.approx(0.0205, rel=1e-4)
    assert parser.get_parsed_content("num_inference_steps") == 50
    assert parser.get_parsed_content("bounds")["age"] == [44.0, 82.0]


def test_paper_scale_asks_for_the_perceptual_network_and_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # no weights were fetched there
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("train_autoencoder.json", "paper.json")])
    assert parser["perceptual_network"] == "squeeze"
    assert parser["allow_download"] is False
    with pytest.raises(RuntimeError) as error:
        parser.get_parsed_content("perceptual_loss")
    causes = [error.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert "squeeze" in str(causes[-1])
    assert "pip install" in str(causes[-1]) or "set allow_download to true" in str(causes[-1])


@pytest.mark.parametrize("stage", ["train_autoencoder", "train"])
def test_nothing_is_downloaded_or_resumed_at_paper_scale_unless_asked(stage):
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in (f"{stage}.json", "paper.json")])
    assert parser["perceptual_network"] == "squeeze"
    assert parser["allow_download" if stage == "train_autoencoder" else "resume"] is False
