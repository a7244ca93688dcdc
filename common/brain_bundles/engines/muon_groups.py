"""The parameter groups of Muon: matrices for Muon itself, the rest for AdamW."""

from __future__ import annotations

from typing import Any

from torch import nn


def muon_groups(network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """``params`` of :class:`pytorch_optimizer.Muon` for the parameters of ``network`` that learn.

    Args:
        network: may be wrapped in DistributedDataParallel.
        learning_rate: rate for weights with two dimensions or more. AdamW trains biases and norms at a quarter of it.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [one for one in learning if one.ndim > 1], "use_muon": True, "lr": learning_rate},
        {"params": [one for one in learning if one.ndim <= 1], "use_muon": False, "lr": learning_rate / 4},
    ]
