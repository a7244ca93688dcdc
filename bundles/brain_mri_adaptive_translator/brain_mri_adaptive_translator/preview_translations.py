"""What a training's picture shows: one validation volume in all other contrasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from brain_bundles.utils import derive_seed, plain_tensor
from torch import nn

from brain_mri_adaptive_translator.adaptive_translator import AdaptiveTranslator


class PreviewTranslations:
    """Translations of the first subject's first contrast to all others, whether the subject has them or not.

    For :class:`~brain_bundles.handlers.ImagePreview`: the same volume and the same seeds in every picture.

    Args:
        translator: from the source to its targets.
        network: a :class:`TargetDiffusionUNet`, usually its moving average.
        datalist: items with a path for each contrast that the subject has, of
            :func:`brain_bundles.data.contrast_datalist`; not empty.
        preprocessing: to volumes (1, D, H, W) in [0, 1].
        contrasts: what the model knows.
        seed: of the noise; each target has its own, derived from it.
    """

    def __init__(
        self,
        translator: AdaptiveTranslator,
        network: nn.Module,
        datalist: Sequence[Mapping[str, Any]],
        preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        contrasts: Sequence[str],
        seed: int = 0,
    ) -> None:
        self.translator, self.network = translator, network
        item = datalist[0]
        source = next(name for name in contrasts if name in item)
        self.source = plain_tensor(preprocessing({source: item[source]})[source])[None]
        self.targets = [name for name in contrasts if name != source]
        self.seeds = [derive_seed(seed, "preview", number) for number in range(len(self.targets))]

    def __call__(self) -> dict[str, torch.Tensor]:
        """Each target with its volume (1, 1, D, H, W), on the CPU."""
        source = self.source.to(next(self.network.parameters()).device)
        volumes = self.translator(source, self.network, targets=self.targets, seeds=self.seeds).cpu()
        return dict(zip(self.targets, volumes.split(1, dim=1), strict=True))
