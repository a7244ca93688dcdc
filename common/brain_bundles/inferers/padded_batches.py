"""Batches of one size, so that a sample has the same bytes in every batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def in_padded_batches(function: Callable[..., torch.Tensor], *arguments: Any, batch_size: int | None) -> torch.Tensor:
    """``function(*arguments)`` in parts of exactly ``batch_size`` samples; None takes all at once.

    The last part is padded with copies of its last sample, whose results are dropped.

    Args:
        function: takes the samples of each argument, gives (b, ...) for b samples.
        arguments: tensors (B, ...) or lists with one entry per sample; the first is not empty. None stays None.
        batch_size: samples per call. The last digits of a result depend on the size of the batch.

    Returns:
        (B, ...), contiguous.
    """
    total = len(arguments[0])
    size = batch_size or total
    parts = []
    for first in range(0, total, size):
        count = min(size, total - first)
        parts.append(function(*(_padded(one, first, count, size) for one in arguments))[:count].contiguous())
    return torch.cat(parts)


def _padded(values: Any, first: int, count: int, size: int) -> Any:
    if values is None:
        return None
    part, missing = values[first : first + count], size - count
    if isinstance(values, torch.Tensor):
        return torch.cat([part, *[part[-1:]] * missing])
    return [*part, *part[-1:] * missing]
