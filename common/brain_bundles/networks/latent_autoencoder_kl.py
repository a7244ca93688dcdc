"""MONAI's AutoencoderKL with the scale of its latents in its own state."""

from __future__ import annotations

from typing import Any, cast

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import AutoencoderKL
from monai.networks.nets.autoencoderkl import Decoder
from monai.networks.nets.diffusion_model_unet import zero_module
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from brain_bundles.networks.channel_norm import use_norm
from brain_bundles.networks.latent_statistics import LatentStatistics
from brain_bundles.networks.linear_shortcut import LinearShortcut
from brain_bundles.networks.slab_decode import decode_in_slabs
from brain_bundles.utils.recipe import Recipe

INITIAL_LOG_VARIANCE = -6.0  # a standard deviation of 0.05


class LatentAutoencoderKL(LatentStatistics, AutoencoderKL):
    """AutoencoderKL with :class:`LatentStatistics`; takes the arguments of MONAI's class.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the images.
        out_channels: channels of the reconstructions.
        linear_shortcut: add a :class:`LinearShortcut` to the encoder's mean and to the decoder's image. The last
            convolutions of both start at zero, so the first output is the shortcut's. Short trainings reach far more
            detail with it; the published models have none.
        norm: "group", the published one, or "channel", which has no statistics of the volume, see :func:`use_norm`.
        patch_size: voxels a side of the patches whose voxels become channels before the encoder, and are taken apart
            after the decoder: all convolutions run on a grid as much coarser. 1 for none, as published. Source: Shi et
            al. 2016, "Real-Time Single Image and Video Super-Resolution", arXiv:1609.05158, section 3.
        refinement_channels: channels between two convolutions of the image itself, whose result is added to it at the
            end: the voxels of a patch come from different filters, so the grid of the patches may show. 0 for none, as
            published. They begin at zero.
        **kwargs: the other arguments of MONAI's class.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        linear_shortcut: bool = False,
        norm: str = "group",
        patch_size: int = 1,
        refinement_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        voxels = patch_size**spatial_dims
        super().__init__(spatial_dims, in_channels * voxels, out_channels * voxels, **kwargs)
        use_norm(self, norm)
        self.spatial_dims, self.patch_size = spatial_dims, patch_size
        # The default posterior starts as wide as the prior: its noise then hides the image from the decoder for the
        # first thousand steps of a training.
        self.quant_conv_log_sigma.conv.bias.data.fill_(INITIAL_LOG_VARIANCE)  # type: ignore[union-attr, operator]
        self.refinement: nn.Sequential | None = None
        if refinement_channels:
            convolutions = [
                Convolution(spatial_dims, inputs, outputs, kernel_size=3, conv_only=True)
                for inputs, outputs in ((out_channels, refinement_channels), (refinement_channels, out_channels))
            ]
            self.refinement = nn.Sequential(convolutions[0], nn.SiLU(), convolutions[1])
            zero_module(convolutions[1])
        self.shortcut: LinearShortcut | None = None
        if linear_shortcut:
            if in_channels != out_channels:
                raise ValueError(
                    f"linear_shortcut needs as many output as input channels, got {in_channels} and {out_channels}."
                )
            self.shortcut = LinearShortcut(spatial_dims, in_channels, self.latent_channels, self.downsampling)
            for convolution in (cast(Any, self.quant_conv_mu).conv, cast(Any, self.decoder).blocks[-1].conv):
                zero_module(convolution)
        self._init_statistics(self.latent_channels)
        self.recipe = Recipe()

    @property
    def downsampling(self) -> int:
        """Voxels of an image along each axis for one of its latent."""
        return self.patch_size * 2 ** (len(cast(Any, self.encoder).channels) - 1)

    @property
    def edges(self) -> tuple[str, ...]:
        """Beginnings of the names of first and last layers and of the linear path, see :func:`muon_groups`."""
        last = len(cast(Any, self.decoder).blocks) - 1
        return (
            "encoder.blocks.0.",
            "decoder.blocks.0.",
            f"decoder.blocks.{last}.",
            "quant",
            "post_quant",
            "shortcut",
            "refinement",
        )

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the raw latents (B, latent_channels, d, h, w) of images (B, C, D, H, W)."""
        mean, sigma = super().encode(self._patches(x))
        return (mean if self.shortcut is None else mean + self.shortcut.encode(x)), sigma

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Images (B, C, D, H, W) of raw latents (B, latent_channels, d, h, w)."""
        return self._finished(super().decode(z), z)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.encode(x)

    def decode_stage_2_outputs(self, z: torch.Tensor, slab_size: int | None = None) -> torch.Tensor:  # type: ignore[override]
        """Decode normalised latents (B, latent_channels, d, h, w) to images (B, C, D, H, W).

        Args:
            z: normalised latents.
            slab_size: number of slices of a 3D volume to decode at once, see :func:`decode_in_slabs`: the same images
                in a third of the memory, without gradients. None decodes the whole volume at once.
        """
        z = self.denormalise(z)
        if slab_size is None:
            return self.decode(z)
        slabs = decode_in_slabs(cast(Decoder, self.decoder), self.post_quant_conv(z), slab_size)
        with torch.no_grad():
            return self._finished(slabs, z)

    def _patches(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.patch_size == 1 else pixelunshuffle(x, self.spatial_dims, self.patch_size)

    def _finished(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """The image of the decoder's output ``x`` for latents ``z``."""
        image = x if self.patch_size == 1 else pixelshuffle(x, self.spatial_dims, self.patch_size)
        if self.shortcut is not None:
            image = image + self.shortcut.decode(z)
        return image if self.refinement is None else image + self.refinement(image)
