"""Trainings whose ``dataset_dir`` is a population: heads are rendered while they train, by one key of the config."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from brain_bundles.utils import read_recipe

from ..phantom.conftest import small_head, write_map
from .brain_mri_adaptive_translator.conftest import Bundle as Adaptive
from .brain_mri_generator.conftest import Bundle as Generator
from .brain_mri_slice2volume_translator.conftest import Bundle as Slices


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """The value of ``dataset_dir``, as a config or a command line gives it."""
    folder = tmp_path_factory.mktemp("anatomies")
    for name in ("training_seg_01", "training_seg_03", "training_seg_05"):
        write_map(folder / f"{name}.nii.gz", small_head())
    return {
        "_target_": "brain_bundles.phantom.HeadPopulation",
        "anatomies": str(folder),
        "num_subjects": 4,
        "num_held_out": 1,
        "acquisition": "varied",
        "target_acquisition": "nominal",
        "spacing": 5.0,
        "spatial_size": [44, 48, 44],
    }


def train(bundle, stages: tuple[str, ...], folder: Path, population: dict[str, object]) -> None:
    options = {"dataset_dir": population, "max_epochs": 1, "warn_cut": None}
    for stage in stages:
        bundle.run(stage, folder / stage, **options)


def test_both_stages_of_the_generator_and_a_baseline(population, tmp_path):
    bundle = Generator(Path("none"), tmp_path / "models")
    train(bundle, ("train_autoencoder", "train", "baseline_vaegan"), tmp_path, population)
    for name in ("autoencoder.pt", "model.pt", "vaegan.pt"):
        (trained_on,) = read_recipe([bundle.ckpt_dir / name])["trained_on"]
        assert trained_on["data"] == "4 subjects of a population of 3 label maps, seed 0"
    assert not [path for path in tmp_path.rglob("*.nii.gz") if "sub-" in path.name]  # no image was written


@pytest.mark.parametrize("kind", [Slices, Adaptive])
def test_the_first_stage_of_the_translators(population, tmp_path, kind):
    bundle = kind(Path("none"), tmp_path / "models")
    train(bundle, ("train_autoencoder",), tmp_path, population)
    weights = torch.load(bundle.ckpt_dir / "autoencoder.pt", weights_only=True)
    assert bool((weights[next(key for key in weights if key.endswith("latent_std"))] > 0).all())
