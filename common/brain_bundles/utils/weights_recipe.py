"""Show and change the recipe in a file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brain_bundles.utils.atomic import atomic_file
from brain_bundles.utils.loading import read_weights
from brain_bundles.utils.recipe import RECIPE_KEY, decode_recipe, encode_recipe
from brain_bundles.utils.saving import save_atomically


def show_recipe(weights: str | Path) -> dict[str, Any]:
    """Read the recipe of a state dict (.pt or .safetensors); empty without one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or is not a state dict, or its recipe is damaged.
    """
    state = read_weights(weights).get(RECIPE_KEY)
    return {} if state is None else decode_recipe(state)


def change_recipe(weights: str | Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Set entries of the recipe in a file of weights, and return the new recipe; None removes an entry.

    The file is replaced as a whole or not at all. The other tensors stay as they are.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or is not a state dict, or the recipe becomes too long.
    """
    path, tensors = Path(weights), read_weights(weights)
    state = tensors.get(RECIPE_KEY)
    merged = {**({} if state is None else decode_recipe(state)), **settings}
    recipe = {key: value for key, value in merged.items() if value is not None}
    tensors[RECIPE_KEY] = encode_recipe(recipe)
    if path.suffix == ".safetensors":
        from safetensors.torch import save

        with atomic_file(path) as file:
            file.write(save(tensors))
    else:
        save_atomically(tensors, path)
    return recipe
