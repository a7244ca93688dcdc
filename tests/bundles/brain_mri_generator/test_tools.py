"""MONAI's own bundle tools on this bundle: network shapes, export, loading."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from brain_mri_generator import ConditionedDiffusionUNet
from monai.bundle import load

from .conftest import BUNDLE

CONFIGS = BUNDLE / "configs"


def monai_bundle(cwd: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_verify_net_in_out(tmp_path):
    files = "--meta_file", str(CONFIGS / "metadata.json"), "--config_file", str(CONFIGS / "inference.json")
    result = monai_bundle(tmp_path, "verify_net_in_out", "network_def", *files)
    assert result.returncode == 0, result.stderr
    assert "data shape of network is verified with no error" in result.stdout + result.stderr


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_monai_load_gives_the_network_with_its_weights():
    network = load(BUNDLE.name, bundle_dir=str(BUNDLE.parent), source="github", version=None, repo=None)
    assert isinstance(network, ConditionedDiffusionUNet)
    weights = torch.load(BUNDLE / "models" / "model.pt", weights_only=True)
    torch.testing.assert_close(network.state_dict(), weights, atol=0, rtol=0)


def test_weights_that_ship_are_small_enough_for_git():
    sizes = {path.name: path.stat().st_size / 2**20 for path in (BUNDLE / "models").glob("*.pt")}
    assert sizes.keys() == {"autoencoder.pt", "model.pt"}
    assert max(sizes.values()) <= 25.0
