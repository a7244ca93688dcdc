"""MONAI's AutoencoderKL with the scale of its latents in its own state."""

from __future__ import annotations

from typing import Any, cast

import torch
from monai.networks.nets import AutoencoderKL
from monai.networks.nets.autoencoderkl import Decoder

from brain_bundles.networks.latent_statistics import LatentStatistics
from brain_bundles.networks.slab_decode import decode_in_slabs

INITIAL_LOG_VARIANCE = -6.0  # a standard deviation of 0.05


class LatentAutoencoderKL(LatentStatistics, AutoencoderKL):
    """AutoencoderKL with :class:`LatentStatistics`; takes the arguments of MONAI's class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The default posterior starts as wide as the prior: its noise then hides the image from the decoder for the
        # first thousand steps of a training.
        self.quant_conv_log_sigma.conv.bias.data.fill_(INITIAL_LOG_VARIANCE)  # type: ignore[union-attr, operator]
        self._init_statistics(self.latent_channels)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.encode(x)

    def decode_stage_2_outputs(self, z: torch.Tensor, slab_size: int | None = None) -> torch.Tensor:  # type: ignore[override]
        """Images (B, C, D, H, W) of normalised latents (B, latent_channels, d, h, w).

        Args:
            z: normalised latents.
            slab_size: decode a 3D volume this many slices at a time, see :func:`decode_in_slabs`: the same images in a
                third of the memory, without gradients. None decodes plainly.
        """
        z = self.denormalise(z)
        if slab_size is None:
            return self.decode(z)
        return decode_in_slabs(cast(Decoder, self.decoder), self.post_quant_conv(z), slab_size)
