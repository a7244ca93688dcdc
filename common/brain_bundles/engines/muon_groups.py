"""The parameter groups of Muon: matrices for Muon itself, the rest for AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from brain_bundles.utils.distributed import unwrap


def muon_groups(network: nn.Module, learning_rate: float, adamw: Sequence[str] = ()) -> list[dict[str, Any]]:
    """``params`` of :class:`pytorch_optimizer.Muon` for the parameters of ``network`` that learn.

    Args:
        network: may be wrapped in DistributedDataParallel.
        learning_rate: rate for weights with two dimensions or more. AdamW trains biases and norms at a quarter of it.
        adamw: beginnings of the names of weights that AdamW trains, too. Muon's steps have one size whatever the
            gradient is, and destroy first and last layers that begin with a known solution.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon.
    """
    learning = [(name, parameter) for name, parameter in unwrap(network).named_parameters() if parameter.requires_grad]
    by_muon = {name: one.ndim > 1 and not name.startswith(tuple(adamw)) for name, one in learning}
    return [
        {"params": [one for name, one in learning if by_muon[name]], "use_muon": True, "lr": learning_rate},
        {"params": [one for name, one in learning if not by_muon[name]], "use_muon": False, "lr": learning_rate / 4},
    ]
