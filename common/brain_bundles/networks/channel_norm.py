"""Normalisation over the channels of each voxel, without statistics of the volume."""

from __future__ import annotations

import torch
from torch import nn

NORMS = ("group", "channel")


class ChannelNorm(nn.Module):
    """Divide the channels of each voxel by their root mean square, then scale and shift each channel.

    What it gives at a voxel depends on that voxel alone: networks of it can be trained on patches and run on volumes,
    slabs of a volume are exact, and the level of an image stays visible. Group normalisation takes its statistics from
    the whole volume.

    Args:
        num_channels: C.
        eps: added to the mean square.

    Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467, over channels.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, ...)."""
        shape = (1, -1, *(1,) * (x.ndim - 2))
        scale = torch.rsqrt(x.float().square().mean(1, keepdim=True) + self.eps).to(x.dtype)
        return x * scale * self.weight.view(shape).to(x.dtype) + self.bias.view(shape).to(x.dtype)


def use_norm(network: nn.Module, norm: str) -> None:
    """Put the norm of that name into the place of every ``GroupNorm`` of a network.

    Args:
        network: a network that was not trained yet.
        norm: "group" leaves it as it is; "channel" for :class:`ChannelNorm`.

    Raises:
        ValueError: for another name.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is {norm!r}, allowed are {', '.join(NORMS)}.")
    if norm == "group":
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(parent, name, ChannelNorm(child.num_channels))
