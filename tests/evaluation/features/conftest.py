"""Fixtures of the encoders: published networks with random weights, and the shipped autoencoder as an encoder."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from brain_bundles.evaluation.features import NetworkEncoder
from monai.bundle import ConfigParser
from torch import nn

GENERATOR = Path(__file__).parents[3] / "bundles" / "brain_mri_generator"
WEIGHTS = GENERATOR / "models" / "autoencoder.pt"
# One layer of each resolution, the second one behind a norm.
LAYERS = ("encoder.blocks.0", "encoder.blocks.5")


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """Published networks by hand; a module beside this one, which --import-mode=importlib does not find by name."""
    spec = importlib.util.spec_from_file_location("published", Path(__file__).with_name("published.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def autoencoder() -> nn.Module:
    """The shipped generator's autoencoder, with random weights."""
    config = json.loads((GENERATOR / "configs" / "inference.json").read_text(encoding="utf-8"))
    return ConfigParser(config).get_parsed_content("autoencoder_def")


@pytest.fixture
def autoencoder_path() -> Path:
    return WEIGHTS


@pytest.fixture
def autoencoder_encoder(autoencoder: nn.Module) -> NetworkEncoder:
    return NetworkEncoder(autoencoder, LAYERS, path=WEIGHTS, part="encode", statistics=("mean", "std"))
