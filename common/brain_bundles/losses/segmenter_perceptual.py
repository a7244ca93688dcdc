"""Perceptual loss by the segmenter's features, in 3D and without a download."""

from __future__ import annotations

import copy
import math
import os
from typing import Any, cast

import torch
from torch import nn

from brain_bundles.networks.unet_blocks import encoder_blocks
from brain_bundles.utils.segmenter_network import load_segmenter_network

EPSILON = 1e-8


class SegmenterPerceptualLoss(nn.Module):
    """Mean squared difference between the segmenter's features of two volumes.

    Features are the maps after each block of the UNet's encoder, normalised over the channels at each position as in
    LPIPS. The mean over positions is taken at each block, then the mean over blocks.

    Args:
        path: weights of the segmenter; None for those that come with the collection.
        num_blocks: number of blocks, from the first, the finest; None for all.

    Raises:
        FileNotFoundError: without the weights.
        ValueError: if the network has fewer blocks.

    Source: Zhang et al. 2018, LPIPS, arXiv:1801.03924, equation 1, without learned weights of the channels.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, num_blocks: int | None = None) -> None:
        super().__init__()
        blocks = encoder_blocks(copy.deepcopy(load_segmenter_network(path)))  # it may move to another device
        if num_blocks is not None and not 1 <= num_blocks <= len(blocks):
            raise ValueError(f"num_blocks is {num_blocks}, the segmenter's encoder has {len(blocks)}.")
        self.blocks = nn.ModuleList(blocks[:num_blocks]).eval().requires_grad_(False)
        self.stride = math.prod(cast(Any, block).conv.stride[0] for block in self.blocks)

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the name of MONAI)
        """Scalar loss of volumes (B, 1, D, H, W) on the collection's intensity scale.

        Raises:
            ValueError: if the shapes differ, there is not one channel, or all sides are too short for the last block.
        """
        if input.shape != target.shape or input.ndim != 5 or input.shape[1] != 1:
            raise ValueError(
                f"expected two volumes (B, 1, D, H, W), got {tuple(input.shape)} and {tuple(target.shape)}."
            )
        if max(input.shape[2:]) <= self.stride:
            raise ValueError(
                f"the segmenter's features need more than {self.stride} voxels along a side, got "
                f"{tuple(input.shape[2:])}: make patch_size larger, or turn the term off with --perceptual_network "
                "'$None'."
            )
        loss = input.new_zeros(())
        ours, theirs = input, target
        for block in self.blocks:
            ours, theirs = block(ours), block(theirs)
            loss = loss + (_normalised(ours) - _normalised(theirs)).square().sum(1).mean()
        return loss / len(self.blocks)


def _normalised(features: torch.Tensor) -> torch.Tensor:
    features = features.float()
    return features / (features.square().sum(1, keepdim=True) + EPSILON).sqrt()
