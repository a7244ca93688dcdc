"""What a training's picture translates: one validation volume to all other contrasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch


class PreviewInputs(NamedTuple):
    """Sources (T, 1, D, H, W), a target for each, and what each source is: the same volume every time."""

    sources: torch.Tensor
    targets: list[str]
    images: list[str]


def preview_inputs(
    datalist: Sequence[Mapping[str, Any]],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    contrasts: Sequence[str],
) -> PreviewInputs:
    """The first subject's first contrast, to be translated to all others, whether the subject has them or not.

    Args:
        datalist: items with a path for each contrast that the subject has, of
            :func:`brain_bundles.data.contrast_datalist`; not empty.
        preprocessing: to volumes (1, D, H, W) in [0, 1].
        contrasts: what the model knows.
    """
    item = datalist[0]
    source = next(name for name in contrasts if name in item)
    volume = torch.as_tensor(preprocessing({source: item[source]})[source]).as_subclass(torch.Tensor)
    targets = [name for name in contrasts if name != source]
    return PreviewInputs(volume.expand(len(targets), 1, -1, -1, -1), targets, [source] * len(targets))
