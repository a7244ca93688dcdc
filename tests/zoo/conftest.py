"""Small bundles for packing, and an environment without this repository."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.fixture
def small_bundles(tmp_path) -> Path:
    """Copies of the generator and the slice translator, with stand-ins for the weights."""
    folder = tmp_path / "bundles"
    for name in ("brain_mri_generator", "brain_mri_slice2volume_translator"):
        for part in ("configs", "docs", name):
            shutil.copytree(BUNDLES / name / part, folder / name / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(BUNDLES / name / "LICENSE", folder / name / "LICENSE")
        (folder / name / "models").mkdir()
        for weights in ("autoencoder.pt", "model.pt"):
            (folder / name / "models" / weights).write_bytes(b"stand-in for " + weights.encode())
    return folder


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory) -> Path:
    """Interpreter of a fresh virtual environment with the packages in the bundles' metadata, and none of ours.

    The packages are links to the installed ones, so that nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    wanted = ["monai", "torch", "numpy"]
    for path in BUNDLES.glob("*/configs/metadata.json"):
        wanted += json.loads(path.read_text())["required_packages_version"]
    for name in sorted(_closure(wanted)):
        distribution = importlib.metadata.distribution(name)
        root = Path(str(distribution.locate_file("")))
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}:
            if top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(root / top)
    return folder / "bin" / "python"


def _closure(names: list[str]) -> set[str]:
    """Names of the distributions and of all that they require, without extras."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        requirements = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        todo += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="session")
def bare_environment() -> dict[str, str]:
    """Environment variables of this process, without those that set Python's search paths."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "CUDA_VISIBLE_DEVICES": ""}
