"""Properties of the config files, checked without running a workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from brain_mri_slice2volume_translator import VolumetricConvolution
from monai.bundle import ConfigParser
from torch.utils.flop_counter import FlopCounterMode

from .conftest import BUNDLE


def load(name: str) -> dict[str, Any]:
    return json.loads((BUNDLE / "configs" / f"{name}.json").read_text())


def parser(*names: str) -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / f"{name}.json") for name in names])
    return parsed


def test_the_baselines_networks_are_the_ones_that_are_compared():
    evaluate = parser("inference", "evaluate")
    for name in ("pix2pix", "cyclegan"):
        assert load(f"baseline_{name}")["network_def"] == load("evaluate")[f"{name}_def"]
    for name in ("unet", "palette"):
        for dims in (2, 3):
            files = ["baseline_unet"] if name == "unet" else ["baseline_unet", "baseline_palette"]
            training = parser(*files)
            training["spatial_dims"] = dims
            with torch.device("meta"):
                made = [training.get_parsed_content("network_def")]
                made += [evaluate.get_parsed_content(f"{name}_{dims}d_def")]
            shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in made]
            assert shapes[0] == shapes[1]


def test_the_baselines_of_slices_have_the_budget_of_the_slice_model():
    slices = load("train_slices")
    for name in ("pix2pix", "cyclegan", "unet"):
        baseline = parser(f"baseline_{name}")
        for key in ("max_epochs", "samples_per_epoch", "batch_size"):
            assert slices[key] == baseline.get_parsed_content(key)


def test_the_volumetric_layers_are_a_small_share_of_the_network():
    """13.4 % of the parameters and 18.4 % of the computation at the default size; bars 15 and 20 %."""
    config = parser("inference")
    with torch.device("meta"):
        network = config.get_parsed_content("network_def").eval()
        total = sum(value.numel() for value in network.parameters())
        layers = [module for module in network.modules() if isinstance(module, VolumetricConvolution)]
        added = sum(value.numel() for layer in layers for value in layer.parameters())
        assert added / total < 0.15
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 24, 4, 20, 24), torch.empty(1))
        with FlopCounterMode(display=False) as slices:
            for layer in layers:
                layer.forward = lambda x: x  # type: ignore[method-assign]
            network(torch.empty(1, 24, 4, 20, 24), torch.empty(1))
    assert 1 - slices.get_total_flops() / counter.get_total_flops() < 0.20


def test_the_autoencoder_learns_source_and_target_or_what_is_named():
    config = parser("train_autoencoder")
    config["target"] = "FLAIR"
    assert config.get_parsed_content("contrasts") == ["T1w", "FLAIR"]
    config["contrasts"] = ["T1w", "T2w", "FLAIR"]
    assert config.get_parsed_content("contrasts") == ["T1w", "T2w", "FLAIR"]


def test_the_paper_overlay_has_the_public_figures():
    """224 channels x [1, 2, 3, 4], attention at down-sampling 2, 4 and 8, betas 0.00085 to 0.0120, windows of 16."""
    config = parser("train", "paper")
    network = config["slice_network_def"]
    assert network["channels"] == [224, 448, 672, 896]
    assert network["attention_levels"] == [False, True, True, True]
    keys = ("beta_start", "beta_end", "slices_per_window", "prediction_type")
    assert [config[key] for key in keys] == [0.00085, 0.012, 16, "epsilon"]


@pytest.mark.parametrize("stage", ["train_autoencoder", "train_slices", "train", "inference"])
def test_the_paper_overlay_fits_every_file(stage):
    config = parser(*(("train",) if stage == "train_slices" else ()), stage, "paper")
    with torch.device("meta"):
        autoencoder = config.get_parsed_content("autoencoder_def").eval()
        mean, _ = autoencoder.raw_moments(torch.empty(1, 1, 512, 512))
        assert mean.shape == (1, 4, 64, 64)
        if stage != "train_autoencoder":
            network = config.get_parsed_content("slice_network_def").eval()
            assert network(torch.cat([mean, mean], 1), torch.empty(1)).shape == mean.shape
