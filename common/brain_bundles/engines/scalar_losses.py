"""Loss terms of an engine's output, decollated or not."""

from __future__ import annotations

from typing import Any

import torch


def scalar_losses(output: Any) -> dict[str, float]:
    """``loss``, every ``<term>_loss`` and ``perplexity`` of an engine's output.

    The output is a dictionary, or the list of dictionaries that MONAI decollates it to. Decollation repeats scalars for
    every item, so the first item has them all.
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
