"""Layers along the slice axis, for networks that see the slices of a volume folded into their batch.

A volume (B, C, S, H, W) of S slices is folded to (B S, C, H, W), a batch of slices in order.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class VolumetricLayer(nn.Module):
    """Base of the layers along the slice axis; starts as the identity.

    Attributes:
        num_slices: S, number of slices of each volume in the batch. The network sets it before each forward pass; 1
            makes every slice a volume of its own.
    """

    num_slices: int = 1

    def reset_to_identity(self) -> None:
        """Make the layer return its input, as before its training."""
        raise NotImplementedError


class VolumetricConvolution(VolumetricLayer):
    """A 1D convolution along the slices, channels to channels, whose kernel starts as the identity.

    Args:
        channels: channels of the input and the output.
        kernel_size: odd; number of slices that one output sees.

    Raises:
        ValueError: for an even kernel, which would shift the slices.

    Source: Zhu et al. 2023, arXiv:2307.10094, section 2 (volumetric layer).
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}: an even one shifts the slices.")
        # The kernel of a 1D convolution, with a last axis of 1: as a 2D convolution over (S, H W) all pixels are one
        # problem instead of H W tiny ones.
        self.conv = nn.Conv2d(channels, channels, (kernel_size, 1), padding=(kernel_size // 2, 0))
        self.reset_to_identity()

    def reset_to_identity(self) -> None:
        nn.init.dirac_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B S, C, H, W) to the same shape."""
        lines = x.reshape(-1, self.num_slices, x.shape[1], x.shape[2] * x.shape[3]).transpose(1, 2)  # (B, C, S, H W)
        return self.conv(lines).transpose(1, 2).reshape(x.shape)


class VolumetricAttention(VolumetricLayer):
    """Self-attention of every pixel along the slices, added to its input; its projection starts at zero.

    Args:
        channels: channels of the input and the output.
        norm_num_groups: groups of the normalisation before the attention.
        num_head_channels: width of one head, by default the greatest common divisor of 32 and ``channels``.

    Source: temporal attention of Ho et al. 2022, arXiv:2204.03458, section 3, along slices instead of frames.
    """

    def __init__(self, channels: int, norm_num_groups: int, num_head_channels: int | None = None) -> None:
        super().__init__()
        num_head_channels = num_head_channels or math.gcd(channels, 32)
        if channels % num_head_channels:
            raise ValueError(f"num_head_channels {num_head_channels} does not divide the layer's {channels} channels.")
        self.norm = nn.GroupNorm(norm_num_groups, channels, eps=1e-6)
        self.attention = nn.MultiheadAttention(channels, channels // num_head_channels, batch_first=True)
        self.reset_to_identity()

    def reset_to_identity(self) -> None:
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B S, C, H, W) to the same shape."""
        folded, channels, height, width = x.shape
        volumes = self.norm(x).reshape(-1, self.num_slices, channels, height * width)
        tokens = volumes.permute(0, 3, 1, 2).reshape(-1, self.num_slices, channels)  # (B H W, S, C)
        attended = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        back = attended.reshape(-1, height * width, self.num_slices, channels).permute(0, 2, 3, 1)
        return x + back.reshape(folded, channels, height, width)
