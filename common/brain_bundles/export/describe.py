"""What a user of an exported file must know of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import monai
import torch
from torch import nn

from brain_bundles.bundle import Bundle
from brain_bundles.inferers import TensorModule
from brain_bundles.utils import recipe_of, training_history, weights_hash
from brain_bundles.version import __version__

# Of the network's recipe: what docs/recipe.md says about images, conditions, contrasts and classes.
ENTRIES = (
    "spacing",
    "spatial_size",
    "intensity_scale",
    "intensity_percentiles",
    "suffix",
    "bounds",
    "head_size_reference",
    "source",
    "target",
    "contrasts",
    "classes",
)


def describe(
    bundle: Bundle, module: TensorModule, networks: Mapping[str, nn.Module], output: torch.Tensor, form: str
) -> dict[str, Any]:
    """Describe a module as plain values: inputs and output with shapes, grid, intensities, settings, weights.

    Args:
        bundle: the bundle that the module is of.
        module: made by the bundle's inferer.
        networks: the networks of the bundle by their keys in the config, ``network`` among them.
        output: an output of the module.
        form: form of the file.
    """
    recipe = recipe_of(networks["network"])
    found = {
        "bundle": bundle.name,
        "version": bundle.metadata["version"],
        "form": form,
        "inputs": {name: _tensor(value, module.about[name]) for name, value in module.inputs().items()},
        "outputs": {module.output[0]: _tensor(output, module.output[1])},
        "orientation": "RAS",
        **{name: recipe[name] for name in ENTRIES if name in recipe},
        "settings": module.settings,
        "weights": {name: weights_hash(one) for name, one in networks.items()},
        "trained_on": training_history(networks["network"]),
        "versions": {"brain_bundles": __version__, "monai": monai.__version__, "torch": torch.__version__},
    }
    return json.loads(json.dumps(found))


def _tensor(value: torch.Tensor, about: str) -> dict[str, Any]:
    return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch."), "about": about}
