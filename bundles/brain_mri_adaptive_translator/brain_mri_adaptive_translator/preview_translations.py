"""Translations in a training's preview: one validation volume to all other contrasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from brain_bundles.utils import derive_seed, plain_tensor


class PreviewTranslations:
    """Translate the first subject's first contrast to all others, for ``ImagePreview``.

    The subject need not have the other contrasts.

    Args:
        translator: an :class:`AdaptiveTranslator`, or an inferer that is called like one.
        network: the network that samples, usually its moving average.
        datalist: items with a path for each contrast that the subject has, from
            :func:`brain_bundles.data.contrast_datalist`; not empty. It is first read when a picture is due.
        preprocessing: makes volumes (1, D, H, W) in [0, 1].
        contrasts: contrasts that the model knows.
        seed: seed of the noise, the same in every picture, so that epochs can be compared.
    """

    def __init__(
        self,
        translator: Callable[..., torch.Tensor],
        network: torch.nn.Module,
        datalist: Sequence[Mapping[str, Any]],
        preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        contrasts: Sequence[str],
        seed: int = 0,
    ) -> None:
        self.translator, self.network, self.datalist = translator, network, datalist
        self.preprocessing, self.contrasts, self.seed = preprocessing, contrasts, seed

    def __call__(self) -> dict[str, torch.Tensor]:
        """Return target -> volume (1, 1, D, H, W), on the CPU."""
        item = self.datalist[0]
        source = next(name for name in self.contrasts if name in item)
        volume = plain_tensor(self.preprocessing({source: item[source]})[source])[None]
        targets = [name for name in self.contrasts if name != source]
        seeds = [derive_seed(self.seed, "preview", index) for index in range(len(targets))]
        device = next(self.network.parameters()).device
        volumes = self.translator(volume.to(device), self.network, targets=targets, seeds=seeds).cpu()
        return dict(zip(targets, volumes.split(1, dim=1), strict=True))
