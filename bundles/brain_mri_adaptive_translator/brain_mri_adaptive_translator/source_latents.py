"""What stands in the place of MS-SPADE in a comparison without it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brain_mri_adaptive_translator.ms_spade import Targets


class SourceLatents(nn.Module):
    """The interface of :class:`MSSPADE`, and no translation: the target-like latent is the source's own.

    A diffusion with it has the noisy latent and the source's latent beside each other, and learns it all.

    Args:
        num_contrasts: number of contrasts.
        latent_channels: channels of the latents.

    Source: the concatenation of latents in Rombach et al. 2022, arXiv:2112.10752, section 4.3.2.
    """

    channel_std: torch.Tensor

    def __init__(self, num_contrasts: int, latent_channels: int) -> None:
        super().__init__()
        self.num_contrasts, self.latent_channels = num_contrasts, latent_channels
        self.register_buffer("channel_std", torch.ones(latent_channels))  # in the weights of MS-SPADE too
        self.blocks = nn.ModuleList()

    def forward(self, z: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Latents (B, latent_channels, D, H, W) as they are."""
        return z

    def through_blocks(self, z: torch.Tensor, targets: Any) -> torch.Tensor:
        """The same, for an export."""
        return z
