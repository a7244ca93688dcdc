"""The recipe of a network: the settings of its training that later use must share, carried by its weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from monai.networks.nets import UNet
from torch import nn

RECIPE_BYTES = 16384
RECIPE_KEY = "recipe._extra_state"
HISTORY = "trained_on"
SPREAD = "spread"  # of several draws, see brain_bundles.inferers.SpreadCalibration
_DIGEST = 32  # hexadecimal characters
# What weights from before an entry was recorded were trained with.
BEFORE_THE_ENTRY: Mapping[str, Any] = {"intensity_scale": "percentiles"}
WITHOUT_RECIPE = (
    "has no recipe, so its grid, intensities and noise schedule are unknown. If they are known, write them "
    "with `python -m brain_bundles recipe WEIGHTS --set \"{'spacing': 2.0, ...}\"`; docs/reference/recipe.md lists "
    "the keys."
)


class Recipe(nn.Module):
    """The recipe as a part of a network without parameters; it travels in the network's state dict.

    Its state is one tensor of fixed shape, see :func:`encode_recipe`. So safetensors can hold it, and tools that copy
    tensors of equal shape, as MONAI's ``CheckpointLoader`` and ``monai.bundle.load`` do, copy it too. Loading a state
    keeps the own values and adds those that were not set. A blank state changes nothing.

    Attributes:
        values: settings by name, plain values as JSON holds them.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.values: dict[str, Any] = _plain(values or {})

    def get_extra_state(self) -> torch.Tensor:
        """Encode the values, see :func:`encode_recipe`."""
        return encode_recipe(self.values)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take the values of ``state``, of :func:`encode_recipe`.

        Raises:
            ValueError: if they contradict the own values, naming both; if the state is no recipe, such as the average
                of two different ones.
        """
        stored = decode_recipe(state)
        if problems := contradictions(stored, self.values):
            raise ValueError(contradiction_message(problems))
        self.values = {**stored, **self.values}


def with_recipe(network: nn.Module, recipe: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> nn.Module:
    """Set the recipe that ``network`` is used with, or will be trained with, and return the network.

    Its layout, which the shapes of its weights do not show, is added, see :func:`network_layout`.

    Args:
        network: any network; one without a :class:`Recipe` gets one.
        recipe: settings by name; several mappings are merged.
    """
    parts = [recipe] if isinstance(recipe, Mapping) else list(recipe)
    merged = {key: value for part in parts for key, value in part.items()}
    values = _plain({**merged, **network_layout(network)})
    own = getattr(network, "recipe", None)
    if isinstance(own, Recipe):
        own.values = values
    else:
        network.recipe = Recipe(values)
    return network


def recipe_of(network: nn.Module) -> dict[str, Any]:
    """Settings in the recipe of a network, empty without one."""
    recipe = getattr(network, "recipe", None)
    return dict(recipe.values) if isinstance(recipe, Recipe) else {}


def training_history(network: nn.Module) -> list[str]:
    """Say in words what the weights of a network were trained on, one text per training, the last one last."""
    return [entry.get("data", "unknown data") for entry in recipe_of(network).get(HISTORY, [])]


def network_layout(network: nn.Module) -> dict[str, Any]:
    """Settings of a network that change its output and no shape: heads of attention, groups of norms, position map.

    Returns:
        ``attention_heads`` by the name of the module, ``norm_groups``, and ``position_map``, the spatial size of a
        learned map of positions or None; of MONAI's UNet also ``unet``, from which it can be built again.
    """
    heads = {name: int(module.num_heads) for name, module in network.named_modules() if hasattr(module, "num_heads")}
    groups = {module.num_groups for module in network.modules() if isinstance(module, nn.GroupNorm)}
    position = getattr(network, "position", None)
    unet = {}
    if isinstance(network, UNet):
        lists = {"channels": list(network.channels), "strides": list(network.strides)}
        unet = {"unet": {**lists, "num_res_units": network.num_res_units}}
    return {
        **unet,
        "attention_heads": heads,
        "norm_groups": sorted(groups),
        "position_map": list(position.shape[2:]) if isinstance(position, torch.Tensor) else None,
    }


def contradictions(stored: Mapping[str, Any], used: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """List the settings (name, stored, used) that two recipes share and that differ.

    Nested mappings are compared entry by entry. What a network was trained on may differ, and so may the calibration of
    its draws, which a training drops. The grid may differ too, unless the network has a learned map of positions:
    convolutions work on any grid of their spacing.
    """
    problems = []
    for key in sorted(set(stored) & set(used) - {HISTORY, SPREAD}):
        if key == "spatial_size" and not stored.get("position_map"):
            continue
        one, other = stored[key], used[key]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            different = [name for name in one if name in other and not _equal(one[name], other[name])]
            problems += [(f"{key}::{name}", one[name], other[name]) for name in different]
        elif not _equal(one, other):
            problems.append((key, one, other))
    return problems


def contradiction_message(problems: Sequence[tuple[str, Any, Any]]) -> str:
    """Say which settings differ, with both values."""
    texts = [f"{key} is {stored} in the weights and {used} here" for key, stored, used in problems]
    what = "Leave these settings out to take them from the weights, or use weights that were trained with them."
    if any(key == "autoencoder" for key, *_ in problems):
        what += " A network belongs to its autoencoder: after a training of that one, train the network on from here."
    return f"the recipe of the weights is another one: {'; '.join(texts)}. {what}"


def encode_recipe(values: Mapping[str, Any]) -> torch.Tensor:
    """Encode a recipe as JSON with a checksum, filled up with 0, (RECIPE_BYTES,) uint8; an empty one is all 0.

    Raises:
        ValueError: if it is too long.
        TypeError: for values that JSON cannot hold.
    """
    code = b""
    if values:
        text = json.dumps(values, sort_keys=True, ensure_ascii=False).encode()
        code = _checksum(text) + text
    if len(code) > RECIPE_BYTES:
        raise ValueError(f"the recipe has {len(code)} bytes, at most {RECIPE_BYTES} fit: {', '.join(values)}.")
    return torch.frombuffer(bytearray(code.ljust(RECIPE_BYTES, b"\0")), dtype=torch.uint8).clone()


def decode_recipe(state: torch.Tensor) -> dict[str, Any]:
    """Decode the tensor of :func:`encode_recipe`; of floats too, as an average of equal recipes has them.

    Entries that are newer than the weights are added, see ``BEFORE_THE_ENTRY``.

    Raises:
        ValueError: if it is no recipe.
    """
    numbers = state.detach().cpu().double()
    whole = numbers.round()
    if not bool(whole.any()):
        return {}
    code = b""
    if bool(((numbers - whole).abs() < 1e-3).all()) and bool(((whole >= 0) & (whole <= 255)).all()):
        code = bytes(whole.to(torch.uint8).tolist()).rstrip(b"\0")
    digest, text = code[:_DIGEST], code[_DIGEST:]
    if not text or digest != _checksum(text):
        raise ValueError(
            "the recipe of these weights is damaged, or is an average of different recipes. Weights of different "
            "recipes cannot be averaged: train all of them with the same settings."
        )
    return {**BEFORE_THE_ENTRY, **json.loads(text)}


def _equal(one: Any, other: Any) -> bool:
    """Compare plain values; numbers to 0.1 %, since the last digits of a noise schedule depend on the machine."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or not (isinstance(one, Real) and isinstance(other, Real)):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=1e-3)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As they will be read back from JSON."""
    return json.loads(json.dumps(dict(values)))


def _checksum(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST // 2).hexdigest().encode()
