"""Generator of volumes from a code, the network of both baselines."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, SubpixelUpsample
from monai.networks.layers.utils import get_act_layer
from monai.networks.nets import Generator
from torch import nn

_FULL_CHANNELS = 4  # on the full grid


class VolumeGenerator(Generator):
    """A volume (B, 1, D, H, W) in [0, 1] of a code (B, code_size): MONAI's Generator with other layers.

    A linear layer makes the coarsest grid. Each level doubles it by repeating voxels and convolves, since transposed
    convolutions leave a chessboard (Odena et al. 2016, doi 10.23915/distill.00003). The last doubling is a sub-pixel
    convolution to 4 channels, so that little is computed on the full grid. Groups of channels are normalised, and not
    the batch, whose statistics would depend on its size and on the number of processes.

    Args:
        spatial_size: (D, H, W) of the volumes, each a multiple of 2 to the number of ``channels``.
        code_size: length of a code.
        channels: of the grids from the coarsest one to that of half the resolution.
        norm_num_groups: groups of channels of the norms.

    Raises:
        ValueError: if the grid cannot be halved so often.

    Source: the upsampling as in Kwon et al. 2019, arXiv:1908.02498, for brain MRI; its end as in Shi et al. 2016,
    arXiv:1609.05158; the rest as in Mao et al. 2017, arXiv:1611.04076.
    """

    def __init__(
        self,
        spatial_size: Sequence[int],
        code_size: int = 128,
        channels: Sequence[int] = (256, 128, 64, 32),
        norm_num_groups: int = 8,
    ) -> None:
        factor = 2 ** len(channels)
        if any(n % factor for n in spatial_size):
            raise ValueError(
                f"VolumeGenerator: spatial_size is {list(spatial_size)}; with {len(channels)} numbers of channels "
                f"every side must be a multiple of {factor}."
            )
        super().__init__(
            latent_shape=(code_size,),
            start_shape=(channels[0], *(n // factor for n in spatial_size)),
            channels=(*channels[1:], 1),
            strides=[2] * len(channels),
            act="LEAKYRELU",
            norm=("GROUP", {"num_groups": norm_num_groups}),
        )

    def _get_layer(self, in_channels: int, out_channels: int, strides: int, is_last: bool) -> nn.Sequential:
        if is_last:
            # The last convolution sees both sides of each border between the voxels that were one.
            return nn.Sequential(
                SubpixelUpsample(self.dimensions, in_channels, _FULL_CHANNELS, strides, apply_pad_pool=False),
                get_act_layer(self.act),
                Convolution(self.dimensions, _FULL_CHANNELS, out_channels, conv_only=True),
            )
        return nn.Sequential(
            nn.Upsample(scale_factor=strides),
            Convolution(self.dimensions, in_channels, out_channels, act=self.act, norm=self.norm),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Volumes of codes ``x``, standard normal numbers."""
        return torch.sigmoid(super().forward(x))
