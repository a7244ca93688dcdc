"""MONAI's loader on this bundle."""

from __future__ import annotations

import pytest
import torch
from brain_mri_generator import ConditionedDiffusionUNet
from monai.bundle import load

from .conftest import BUNDLE


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_monai_load_gives_the_network_with_its_weights():
    network = load(BUNDLE.name, bundle_dir=str(BUNDLE.parent), source="github", version=None, repo=None)
    assert isinstance(network, ConditionedDiffusionUNet)
    weights = torch.load(BUNDLE / "models" / "model.pt", weights_only=True)
    torch.testing.assert_close(network.state_dict(), weights, atol=0, rtol=0)
