"""The loss terms of an engine's output, whatever its shape."""

from __future__ import annotations

from typing import Any

import torch


def scalar_losses(output: Any) -> dict[str, float]:
    """``loss``, every ``<term>_loss`` and ``perplexity`` of an engine's output: a dictionary, or the list of
    dictionaries MONAI decollates it to.

    Scalars are repeated for every item of a decollated batch, so the first item has them all.
    """
    if isinstance(output, (list, tuple)) and output and isinstance(output[0], dict):
        output = output[0]
    if not isinstance(output, dict):
        return {}
    found = {}
    for key, value in output.items():
        name = str(getattr(key, "value", key))  # MONAI's keys are string enums
        if (name in ("loss", "perplexity") or name.endswith("_loss")) and isinstance(value, (int, float, torch.Tensor)):
            found[name] = float(value.detach() if isinstance(value, torch.Tensor) else value)
    return found
