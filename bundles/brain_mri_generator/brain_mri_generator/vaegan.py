"""The VAE-GAN: a variational autoencoder whose decoder is also a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.networks.nets import Regressor
from torch import nn

from brain_mri_generator.volume_generator import VolumeGenerator


class VAEGANOutput(NamedTuple):
    """What one pass of a :class:`VAEGAN` makes of B images.

    Attributes:
        reconstruction: (B, 1, D, H, W), with gradients of the encoder and the generator.
        judged: (2 B, 1, D, H, W) for the discriminator: the same reconstructions without a gradient of the encoder,
            then volumes of the codes ``drawn``.
        mean: (B, code_size) of the posterior.
        sigma: (B, code_size), its standard deviation.
    """

    reconstruction: torch.Tensor
    judged: torch.Tensor
    mean: torch.Tensor
    sigma: torch.Tensor


class VAEGAN(nn.Module):
    """Encoder to a normal distribution of codes, and a generator of volumes from codes.

    Args:
        generator: makes volumes of codes, both while training and afterwards, when the encoder is not needed.
        channels: of the encoder, one number for each halving of the grid.
        norm_num_groups: groups of channels of the encoder's norms.

    Source: Larsen et al. 2016, arXiv:1512.09300; in three dimensions for brain MRI, Kwon et al. 2019, arXiv:1908.02498.
    """

    def __init__(
        self, generator: VolumeGenerator, channels: Sequence[int] = (16, 32, 64, 128), norm_num_groups: int = 8
    ) -> None:
        super().__init__()
        self.generator = generator
        (code_size,) = generator.latent_shape
        size = [n * 2 ** len(generator.channels) for n in generator.start_shape]
        self.encoder = Regressor(
            in_shape=(1, *size),
            out_shape=(2, code_size),
            channels=channels,
            strides=[2] * len(channels),
            num_res_units=1,
            act="LEAKYRELU",
            norm=("GROUP", {"num_groups": norm_num_groups}),
        )

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (B, code_size), float32, of the codes of images (B, 1, D, H, W)."""
        mean, log_sigma = self.encoder(image).float().unbind(1)
        return mean, log_sigma.clamp(-10, 10).exp()

    def forward(self, image: torch.Tensor, noise: torch.Tensor, drawn: torch.Tensor) -> VAEGANOutput:
        """All volumes of a training step, in one pass of the generator.

        Args:
            image: (B, 1, D, H, W).
            noise: standard normal numbers (B, code_size) for the codes of the images.
            drawn: standard normal numbers (B, code_size), codes of volumes that are no reconstructions.
        """
        mean, sigma = self.encode(image)
        codes = mean + sigma * noise
        volumes = self.generator(torch.cat([codes, codes.detach(), drawn])).float()
        return VAEGANOutput(volumes[: len(image)], volumes[len(image) :], mean, sigma)
