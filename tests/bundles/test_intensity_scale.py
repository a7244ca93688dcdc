"""Which intensity scale a config takes: the collection's for new weights, else that of the weights it starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from monai.bundle import ConfigParser

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = ("brain_mri_generator", "brain_mri_slice2volume_translator", "brain_mri_adaptive_translator")


def scale(bundle: str, *files: str, **keys: Any) -> tuple[str, list[float] | None]:
    parser = ConfigParser()
    parser.read_config([str(BUNDLES / bundle / "configs" / f"{file}.json") for file in files])
    for key, value in {"bundle_root": str(BUNDLES / bundle), **keys}.items():
        parser[key] = value
    return parser.get_parsed_content("intensity_scale"), parser.get_parsed_content("intensity_percentiles")


@pytest.mark.parametrize("bundle", NAMES)
def test_new_weights_have_the_collection_s_scale_and_write_it(bundle, tmp_path):
    for file in ("train_autoencoder", "train"):
        assert scale(bundle, file, ckpt_dir=str(tmp_path)) == (DEFAULT_SCALE, None)
    parser = ConfigParser()
    parser.read_config(str(BUNDLES / bundle / "configs" / "train_autoencoder.json"))
    assert parser["image_recipe"]["intensity_scale"] == "@intensity_scale"


@pytest.mark.parametrize("bundle", NAMES)
def test_weights_that_ship_keep_theirs(bundle):
    shipped = str(BUNDLES / bundle / "models" / "autoencoder.pt")
    own = ("percentiles", [0.5, 99.5]) if "slice2volume" in bundle else ("median", None)
    assert scale(bundle, "inference") == scale(bundle, "inference", "evaluate") == scale(bundle, "train") == own
    assert scale(bundle, "train_autoencoder", initial_weights=shipped) == own


def test_the_published_generator_has_the_published_scale(tmp_path):
    for file in ("train_autoencoder", "train", "inference"):
        found = scale("brain_mri_generator", file, "paper", ckpt_dir=str(tmp_path))
        assert found == ("percentiles", [0.0, 100.0])
