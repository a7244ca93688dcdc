"""Which intensity scale a config takes: the collection's for new weights, else that of the weights it starts from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from brain_bundles.utils.weights_recipe import change_recipe
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
def test_weights_keep_their_scale(bundle, tmp_path):
    """Those that ship have the collection's; others, such as those that shipped before, have what their recipe says."""
    older = tmp_path / "models"
    older.mkdir()
    for name in ("autoencoder.pt", "model.pt"):
        shutil.copy(BUNDLES / bundle / "models" / name, older)
        change_recipe(older / name, {"intensity_scale": "percentiles", "intensity_percentiles": [0.5, 99.5]})
    for folder, own in ((BUNDLES / bundle / "models", (DEFAULT_SCALE, None)), (older, ("percentiles", [0.5, 99.5]))):
        given = {"ckpt_dir": str(folder)}
        found = [scale(bundle, *files, **given) for files in (["inference"], ["inference", "evaluate"], ["train"])]
        assert found == [own] * 3
        assert scale(bundle, "train_autoencoder", initial_weights=str(folder / "autoencoder.pt")) == own


def test_the_published_generator_has_the_published_scale(tmp_path):
    for file in ("train_autoencoder", "train", "inference"):
        found = scale("brain_mri_generator", file, "paper", ckpt_dir=str(tmp_path))
        assert found == ("percentiles", [0.0, 100.0])
