"""MONAI's loader on this bundle."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.utils import read_recipe
from brain_bundles.utils.recipe import RECIPE_KEY, recipe_of
from brain_mri_generator import ConditionedDiffusionUNet
from monai.bundle import load

from .conftest import BUNDLE


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_monai_load_gives_the_network_with_its_weights(monkeypatch):
    """From the bundle's folder, where the config finds out how many covariates the weights know."""
    monkeypatch.chdir(BUNDLE)
    options = {"bundle_dir": str(BUNDLE.parent), "source": "github", "version": None, "repo": None}
    network = load(BUNDLE.name, workflow_type="inference", **options)
    assert isinstance(network, ConditionedDiffusionUNet)
    weights = torch.load(BUNDLE / "models" / "model.pt", weights_only=True)
    loaded = network.state_dict()
    assert recipe_of(network) == read_recipe([BUNDLE / "models" / "model.pt"])
    for state in (weights, loaded):
        del state[RECIPE_KEY]  # its bytes differ by entries that are newer than the weights
    torch.testing.assert_close(loaded, weights, atol=0, rtol=0)
