"""The batches of a translation to several targets: all targets of one source together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.transforms import Transform


def group_by_image(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One item per source, with its path as ``image`` and its ``rows``; see
    :func:`~brain_bundles.runs.translation_inputs`.
    """
    return [{"image": image, "rows": list(group)} for image, group in groupby(rows, lambda row: row["image"])]


class SplitTargetsd(Transform):
    """A loaded item of :func:`group_by_image` becomes one item per row, each with the image.

    MONAI's data loader joins the items of a list to one batch.
    """

    def __call__(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**row, "image": data["image"], "source_path": row["image"]} for row in data["rows"]]


class TargetsPrepareBatch(PrepareBatch):
    """Hands a ``SupervisedEvaluator``'s :class:`AdaptiveTranslator` its sources and what it needs to know of them."""

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None, tuple, dict[str, list]]:
        """(sources (B, 1, D, H, W), no label, no positional arguments, seeds, targets and images)."""
        options = {
            "seeds": [int(seed) for seed in batchdata["seed"]],
            "targets": list(batchdata["target"]),
            "images": list(batchdata["source_path"]),
        }
        image = batchdata["image"].as_subclass(torch.Tensor)  # MONAI's engines cannot compile with a batch's metadata
        return image.to(device=device, non_blocking=non_blocking), None, (), options
