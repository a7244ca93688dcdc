"""Batches of a translation: sources, and options such as their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch

from brain_bundles.utils.plain_tensor import plain_tensor


class TranslationPrepareBatch(PrepareBatch):
    """Pass sources, and options for each of their targets in order, to the translator of a ``SupervisedEvaluator``.

    The items come from :func:`~brain_bundles.runs.translation_inputs`, all with the same number of targets.

    Args:
        options: entries of the items that the translator takes as arguments of the same name: ``seeds``, and
            ``targets`` if it makes several.
        image_key: key of the source.
    """

    def __init__(self, options: Sequence[str] = ("seeds",), image_key: str = "image") -> None:
        self.options, self.image_key = tuple(options), image_key

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None, tuple, dict[str, list]]:
        """(sources (B, 1, D, H, W), no label, no positional arguments, {option: its values})."""
        image = plain_tensor(batchdata[self.image_key]).to(device=device, non_blocking=non_blocking)
        return image, None, (), {name: _in_order(batchdata[name]) for name in self.options}


def _in_order(collated: Sequence[Any]) -> list[Any]:
    """Entries of all items, item after item. PyTorch collates them by position: all first entries, all second ones."""
    rows = [entries.tolist() if isinstance(entries, torch.Tensor) else entries for entries in collated]
    return [entry for item in zip(*rows, strict=True) for entry in item]
