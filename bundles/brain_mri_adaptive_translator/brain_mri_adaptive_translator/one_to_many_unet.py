"""Baseline without latents and without noise: one UNet that makes any target contrast of any source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from brain_bundles.inferers import AutocastInferer
from brain_bundles.utils import Recipe, plain_tensor
from torch import nn

from brain_mri_adaptive_translator.ms_spade import Targets
from brain_mri_adaptive_translator.target_unet import target_maps


class OneToManyUNet(nn.Module):
    """A network of images that is told the target contrast by constant channels beside the image.

    Args:
        network: takes (B, 1 + number of contrasts, D, H, W) and gives (B, 1, D, H, W), such as MONAI's ``UNet``.
        contrasts: names in the order of the channels.

    Raises:
        ValueError: if a name is repeated; when loading, for weights of other contrasts.
    """

    def __init__(self, network: nn.Module, contrasts: Sequence[str]) -> None:
        super().__init__()
        if len(set(contrasts)) != len(contrasts):
            raise ValueError(f"contrasts has a name twice: {', '.join(contrasts)}.")
        self.network, self.contrasts = network, list(contrasts)
        self.recipe = Recipe({"contrasts": self.contrasts})  # weights of other contrasts fit, under wrong names

    def forward(self, image: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Translate images (B, 1, D, H, W) of any contrasts to images of the same shape.

        Args:
            image: sources.
            targets: index in ``contrasts`` of each target, (B,).
        """
        return self.network(torch.cat([image, target_maps(targets, len(self.contrasts), image)], dim=1))


class OneToManyInferer(AutocastInferer):
    """Translate one source to several contrasts, with the interface of an :class:`AdaptiveTranslator`.

    Args:
        contrasts: names in the order of the network's channels.
        precision: fp32, bf16, fp16 or auto, resolved on the device of the input.

    Raises:
        ValueError: for an unknown precision.
    """

    def __init__(self, contrasts: Sequence[str], precision: str = "fp32") -> None:
        super().__init__(precision)
        self.contrasts = list(contrasts)

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *,
        targets: Sequence[str],
        seeds: Sequence[int] = (),
    ) -> torch.Tensor:
        """Make the targets, each in a pass of its own, which bounds the memory.

        Args:
            inputs: the source (1, 1, D, H, W) in [0, 1], on the device to run on.
            network: a :class:`OneToManyUNet`.
            targets: T names of contrasts.
            seeds: not used: nothing is drawn.

        Returns:
            (1, T, D, H, W), float32, in the order of the targets.

        Raises:
            ValueError: for several sources, or a contrast that the network does not know.
        """
        if len(inputs) != 1:
            raise ValueError(f"got {len(inputs)} sources, expected one.")
        if unknown := [name for name in targets if name not in self.contrasts]:
            raise ValueError(f"unknown contrast {unknown[0]!r}; this model knows {', '.join(self.contrasts)}.")
        source = plain_tensor(inputs)
        infer = super().__call__
        return torch.cat([infer(source, network, [self.contrasts.index(name)]) for name in targets], dim=1)
