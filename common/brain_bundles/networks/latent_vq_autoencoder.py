"""A vector-quantised autoencoder with the encoder and decoder of AutoencoderKL."""

from __future__ import annotations

from typing import Any

import torch

from brain_bundles.networks.latent_autoencoder_kl import LatentAutoencoderKL
from brain_bundles.networks.vector_quantiser import VectorQuantiser


class LatentVQAutoencoder(LatentAutoencoderKL):
    """:class:`LatentAutoencoderKL` with a :class:`VectorQuantiser` in place of the normal posterior.

    The diffusion stage works on the encoder's output before quantisation. Decoding quantises first, so the decoder sees
    only quantised latents, in every stage (Rombach et al. 2022, arXiv:2112.10752, section 3.1).

    Args:
        *args: arguments of MONAI's AutoencoderKL.
        num_embeddings: codes per codebook.
        num_codebooks: see :class:`VectorQuantiser`.
        commitment_cost: see :class:`VectorQuantiser`.
        **kwargs: keyword arguments of MONAI's AutoencoderKL and of :class:`LatentAutoencoderKL`.

    Source: Esser et al. 2021, arXiv:2012.09841, section 3.1.
    """

    def __init__(
        self, *args: Any, num_embeddings: int, num_codebooks: int = 1, commitment_cost: float = 0.25, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        del self.quant_conv_log_sigma
        self.quantiser = VectorQuantiser(
            num_embeddings, self.latent_channels, num_codebooks=num_codebooks, commitment_cost=commitment_cost
        )

    @property
    def perplexity(self) -> torch.Tensor:
        """Perplexity of the codebook in the last training pass, a scalar."""
        return self.quantiser.perplexity

    def encode(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]  # no spread
        """Encode images (B, C, D, H, W) to latents (B, latent_channels, d, h, w) before quantisation."""
        z = self.quant_conv_mu(self.encoder(x))
        return z if self.shortcut is None else z + self.shortcut.encode(x)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """Reconstruction (B, C, D, H, W) and the scalar quantisation loss."""
        quantised, loss = self.quantiser(self.encode(x))
        return self.decode(quantised), loss

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Pass images (B, C, ...) through encoder, quantiser and decoder."""
        return self.decode(self.quantiser.quantise(self.encode(x)))

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.encode(x)
        return z, torch.zeros_like(z)

    def decode_stage_2_outputs(self, z: torch.Tensor, slab_size: int | None = None) -> torch.Tensor:  # type: ignore[override]
        quantised = self.quantiser.quantise(self.denormalise(z))
        return super().decode_stage_2_outputs(self.normalise(quantised), slab_size)
