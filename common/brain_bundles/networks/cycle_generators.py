"""The two generators and the two discriminators of a CycleGAN, each pair as one network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn


class CycleOutput(NamedTuple):
    """What one pass of :class:`CycleGenerators` makes, all (B, 1, ...); identities that are left out are None.

    Attributes:
        fake_source: translations of the targets.
        fake_target: translations of the sources.
        cycled_source: the sources, translated there and back.
        cycled_target: the targets, translated there and back.
        same_source: results of the generator of sources for sources.
        same_target: results of the generator of targets for targets.
    """

    fake_source: torch.Tensor
    fake_target: torch.Tensor
    cycled_source: torch.Tensor
    cycled_target: torch.Tensor
    same_source: torch.Tensor | None
    same_target: torch.Tensor | None


class CycleGenerators(nn.Module):
    """A generator of targets from sources and one of sources from targets, with all passes of a training step.

    They are one network, so that one pass of DistributedDataParallel sees every parameter.

    Args:
        to_target: maps sources (B, 1, ...) to targets of the same shape.
        to_source: maps targets to sources.

    Source: Zhu et al. 2017, arXiv:1703.10593, section 3.
    """

    def __init__(self, to_target: nn.Module, to_source: nn.Module) -> None:
        super().__init__()
        self.to_target, self.to_source = to_target, to_source

    def forward(self, source: torch.Tensor, target: torch.Tensor, identity: bool = True) -> CycleOutput:
        """Translate both images and translate the results back.

        Args:
            source: (B, 1, ...).
            target: (B, 1, ...), of other people.
            identity: also give each generator an image of the contrast that it makes.
        """
        fake_target, fake_source = self.to_target(source), self.to_source(target)
        return CycleOutput(
            fake_source,
            fake_target,
            self.to_source(fake_target),
            self.to_target(fake_source),
            self.to_source(source) if identity else None,
            self.to_target(target) if identity else None,
        )


class DomainDiscriminators(nn.Module):
    """Two discriminators as one: the first half of a batch goes to the first of them, the second half to the second.

    Args:
        target: MONAI's ``PatchDiscriminator``, whose last output is the logits, for images of the target contrast.
        source: one for images of the source contrast.
    """

    def __init__(self, target: nn.Module, source: nn.Module) -> None:
        super().__init__()
        self.target, self.source = target, source

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (2 B, C, ...) of B images of the target contrast and then B of the source contrast, (2 B, 1, ...)."""
        targets, sources = images.chunk(2)
        return torch.cat([self.target(targets)[-1], self.source(sources)[-1]])
