"""MONAI's AutoencoderKL with the scale of its latents in its own state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from monai.networks.nets import AutoencoderKL
from monai.networks.nets.autoencoderkl import Decoder

from brain_bundles.networks.slab_decode import decode_in_slabs

INITIAL_LOG_VARIANCE = -6.0  # a standard deviation of 0.05


class LatentAutoencoderKL(AutoencoderKL):
    """AutoencoderKL whose ``*_stage_2_*`` methods speak normalised latents: mean 0 and std 1 per channel.

    The statistics are measured once over the training set (:meth:`set_latent_statistics`) and travel as buffers in the
    checkpoint, so that no config multiplies by a scale factor: MONAI's latent inferers work with ``scale_factor=1``.
    ``encode``, ``decode`` and ``forward`` stay raw, as autoencoder training needs them.

    Source: Rombach et al. 2022, arXiv 2112.10752 (section D.1 rescales latents to unit standard deviation).
    """

    latent_mean: torch.Tensor
    latent_std: torch.Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of :class:`monai.networks.nets.AutoencoderKL`; statistics start as mean 0 and std 1."""
        super().__init__(*args, **kwargs)
        # The default posterior starts as wide as the prior: its noise then hides the image from the decoder for the
        # first thousand steps of a training.
        self.quant_conv_log_sigma.conv.bias.data.fill_(INITIAL_LOG_VARIANCE)  # type: ignore[union-attr, operator]
        self.register_buffer("latent_mean", torch.zeros(self.latent_channels))
        self.register_buffer("latent_std", torch.ones(self.latent_channels))

    def set_latent_statistics(
        self, mean: torch.Tensor | Sequence[float] | float, std: torch.Tensor | Sequence[float] | float
    ) -> None:
        """Store the mean and standard deviation of raw latents.

        Args:
            mean: one value per latent channel, shape (latent_channels,), or one number for all.
            std: likewise; positive.

        Raises:
            ValueError: when a length is neither 1 nor the number of latent channels, or a value is not finite, or a
                standard deviation is not positive.
        """
        values = {"mean": mean, "std": std}
        checked: dict[str, torch.Tensor] = {}
        for name, value in values.items():
            tensor = torch.as_tensor(value, dtype=torch.float32, device="cpu").flatten()
            if tensor.numel() not in (1, self.latent_channels):
                raise ValueError(
                    f"latent {name} has {tensor.numel()} values, the autoencoder has {self.latent_channels} latent "
                    f"channels; give one value per channel (or one number for all)."
                )
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(
                    f"latent {name} must be finite, got {tensor.tolist()}; check the encoded images for NaN."
                )
            if name == "std" and bool((tensor <= 0).any()):
                raise ValueError(
                    f"latent std must be positive, got {tensor.tolist()}; a channel without variance carries nothing: "
                    "train the autoencoder longer or with fewer latent channels."
                )
            checked[name] = tensor.expand(self.latent_channels)
        self.latent_mean.copy_(checked["mean"])
        self.latent_std.copy_(checked["std"])

    def normalise(self, z: torch.Tensor) -> torch.Tensor:
        """Raw latents (B, C, ...) to normalised ones."""
        return (z - self._per_channel(self.latent_mean, z)) / self._per_channel(self.latent_std, z)

    def denormalise(self, z: torch.Tensor) -> torch.Tensor:
        """Normalised latents (B, C, ...) to raw ones."""
        return z * self._per_channel(self.latent_std, z) + self._per_channel(self.latent_mean, z)

    def encode_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the normalised posterior.

        Args:
            x: images (B, C, D, H, W) or (B, C, H, W).

        Returns:
            mean and sigma, both (B, latent_channels, ...): ``mean + sigma * noise`` is a normalised latent.
        """
        mean, sigma = self.encode(x)
        return self.normalise(mean), sigma / self._per_channel(self.latent_std, sigma)

    def encode_stage_2_inputs(self, x: torch.Tensor) -> torch.Tensor:
        """A normalised sample of the posterior, the input of the diffusion stage (B, latent_channels, ...)."""
        return self.sampling(*self.encode_moments(x))

    def decode_stage_2_outputs(self, z: torch.Tensor, slab_size: int | None = None) -> torch.Tensor:
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

    @staticmethod
    def _per_channel(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return values.view(1, -1, *(1,) * (like.ndim - 2))
