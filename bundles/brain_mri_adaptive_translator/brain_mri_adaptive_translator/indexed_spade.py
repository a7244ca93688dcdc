"""MS-SPADE for a target that is a tensor, for export."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from brain_mri_adaptive_translator.ms_spade import MSSPADE, SelfModulatedSPADE, SwitchableSPADE
from brain_mri_adaptive_translator.source_latents import SourceLatents


class IndexedConvolution(nn.Module):
    """Convolutions of one shape, of which a tensor picks one.

    Args:
        convolutions: with stride 1 and an odd kernel; their weights are copied. The padding keeps the size.
    """

    def __init__(self, convolutions: Sequence[nn.Conv3d]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([one.weight.detach() for one in convolutions]))
        self.bias = nn.Parameter(torch.stack([cast(torch.Tensor, one.bias).detach() for one in convolutions]))
        self.padding = [size // 2 for size in convolutions[0].kernel_size]

    def forward(self, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """(B, C, D, H, W) to (B, C', D, H, W), by the convolution of an index (1,) int64."""
        weight, bias = self.weight.index_select(0, index)[0], self.bias.index_select(0, index)[0]
        return F.conv3d(x, weight, bias, padding=self.padding)


class IndexedSPADE(nn.Module):
    """A :class:`SwitchableSPADE` that computes the layer of a target that is a tensor.

    Args:
        switchable: its weights are copied.
    """

    def __init__(self, switchable: SwitchableSPADE) -> None:
        super().__init__()
        layers = [cast(SelfModulatedSPADE, layer) for layer in switchable.bank]
        self.norm = layers[0].norm  # without weights
        self.shared = IndexedConvolution([cast(nn.Conv3d, layer.shared[0]) for layer in layers])
        self.gamma = IndexedConvolution([layer.gamma for layer in layers])
        self.beta = IndexedConvolution([layer.beta for layer in layers])

    def forward(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, C, D, H, W) to the same shape, for a target (1,) int64 of all samples."""
        features = torch.relu(self.shared(x, target))
        return self.norm(x) * (1 + self.gamma(features, target)) + self.beta(features, target)


class IndexedMSSPADE(nn.Module):
    """A :class:`MSSPADE` whose target is a tensor, without a check of its range.

    Args:
        ms_spade: its weights are copied; or what stands in its place.
    """

    def __init__(self, ms_spade: MSSPADE | SourceLatents) -> None:
        super().__init__()
        self.ms_spade = copy.deepcopy(ms_spade)
        for block in cast(Any, self.ms_spade.blocks):
            block.norm1, block.norm2 = IndexedSPADE(block.norm1), IndexedSPADE(block.norm2)

    def forward(self, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Target-like latents (B, latent_channels, D, H, W) of latents, for a target (1,) int64 of all of them."""
        return self.ms_spade.through_blocks(z, target)
