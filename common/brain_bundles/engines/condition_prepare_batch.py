"""Batches of a sampling run: conditions and seeds."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatch


class ConditionPrepareBatch(PrepareBatch):
    """Pass the condition and the seed of each sample to the inferer of a ``SupervisedEvaluator``.

    Args:
        context_key: entry with the conditions (B, 1, K).
        seed_key: entry with one seed per sample.
    """

    def __init__(self, context_key: str = "context", seed_key: str = "seed") -> None:
        self.context_key = context_key
        self.seed_key = seed_key

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None, tuple, dict[str, list[int]]]:
        """(context (B, 1, K), no label, no positional arguments, {"seeds": one integer per sample})."""
        context = batchdata[self.context_key].to(device=device, non_blocking=non_blocking)
        return context, None, (), {"seeds": [int(seed) for seed in batchdata[self.seed_key]]}
