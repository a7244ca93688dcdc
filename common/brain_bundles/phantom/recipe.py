"""The recipe of a phantom dataset: which population it is of. Datasets of two recipes are not mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = "template"  # deformations of the MNI152 template: what the weights that ship were trained on
HEADS = "heads"  # label maps of people


def describe(seed: int, hashes: Mapping[str, str] | None = None) -> dict[str, object]:
    """The entry of GeneratedBy in dataset_description.json.

    Args:
        seed: seed of the population.
        hashes: SHA-256 by anatomy of a population of label maps; None for the template.
    """
    if hashes is None:
        return {"Description": f"phantoms, seed {seed}"}
    return {"Description": f"phantoms of {len(hashes)} anatomies, seed {seed}", "Recipe": HEADS, "Anatomies": hashes}


def population_of(dataset_dir: str | os.PathLike[str]) -> str | None:
    """Population of a dataset on disk, ``TEMPLATE`` or ``HEADS``; None if it is no phantom dataset.

    Datasets that were made before there was a choice have no recipe: they are of the template.
    """
    path = Path(dataset_dir) / "dataset_description.json"
    if not path.is_file():
        return None
    for entry in json.loads(path.read_text(encoding="utf-8")).get("GeneratedBy", []):
        if "Recipe" in entry:
            return str(entry["Recipe"])
        if str(entry.get("Description", "")).startswith("phantoms, seed"):
            return TEMPLATE
    return None
