"""Properties of the config files, checked without running a workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from brain_bundles.data import class_names
from brain_bundles.networks import check_spatial_size
from monai.bundle import ConfigParser

from .conftest import BUNDLE


def load(name: str) -> dict[str, Any]:
    return json.loads((BUNDLE / "configs" / f"{name}.json").read_text())


def network(name: str) -> torch.nn.Module:
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / f"{name}.json"))
    return parser.get_parsed_content("network_def")


@pytest.mark.parametrize("name", ["train", "inference"])
def test_the_network_fits_the_grid_and_the_classes(name):
    check_spatial_size(network(name), (96, 112, 96), len(class_names()))


def test_the_weights_are_small_enough_to_travel_with_other_bundles():
    """At most 12 MB."""
    assert sum(value.numel() * value.element_size() for value in network("inference").state_dict().values()) < 12e6


def test_the_metadata_names_the_classes():
    outputs = load("metadata")["network_data_format"]["outputs"]["pred"]
    assert outputs["num_channels"] == len(class_names())
    assert list(outputs["channel_def"].values()) == [f"logit of {name.replace('_', ' ')}" for name in class_names()]


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("SegResNet", {"init_filters": 8}),
        ("BasicUNet", {"features": [8, 8, 16, 32, 64, 8]}),
        ("UNet", {"channels": [8, 16, 32], "strides": [1, 2], "num_res_units": 1}),
    ],
)
def test_another_network_of_monai_is_config_only(target, options):
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "train.json"))
    common = {"spatial_dims": 3, "in_channels": 1, "out_channels": 19}
    parser["network_def"] = {"_target_": f"monai.networks.nets.{target}", **common, **options}
    check_spatial_size(parser.get_parsed_content("network_def"), (32, 48, 32), 19)
