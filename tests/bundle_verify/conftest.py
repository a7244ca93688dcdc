"""Copies of a bundle that ships, to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from brain_bundles.zoo import pack

BUNDLES = Path(__file__).parents[2] / "bundles"
NAME = "brain_mri_slice2volume_translator"


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A copy of a whole bundle that ships."""
    ignored = shutil.ignore_patterns("__pycache__", "output", "data", "cache")
    return Path(shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=ignored))


@pytest.fixture
def configs_alone(bundle) -> Path:
    """The copy without its weights, whose reading takes most of the time of a check."""
    shutil.rmtree(bundle / "models")
    return bundle


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    return pack(folder / "dist", bundles_dir=BUNDLES, bundles=[NAME], index=folder / "model_info.json")[0]


@pytest.fixture
def packed(packed_once, tmp_path) -> Path:
    """A zip that ships, to be changed."""
    (tmp_path / "dist").mkdir()
    return Path(shutil.copy(packed_once, tmp_path / "dist"))
