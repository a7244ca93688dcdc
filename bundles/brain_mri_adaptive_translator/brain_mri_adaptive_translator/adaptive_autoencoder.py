"""One autoencoder for all contrasts, with the MS-SPADE that translates latents between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from brain_bundles.networks import LatentVQAutoencoder
from brain_bundles.utils import Recipe
from torch import nn

from brain_mri_adaptive_translator.ms_spade import MSSPADE, Targets
from brain_mri_adaptive_translator.source_latents import SourceLatents


class AdaptiveOutput(NamedTuple):
    """Output of a training pass: images (B, 1, D, H, W) and the scalar quantisation loss; a skipped cycle is None."""

    reconstruction: torch.Tensor
    translation: torch.Tensor
    cycle: torch.Tensor | None
    quantisation_loss: torch.Tensor


class AdaptiveAutoencoder(nn.Module):
    """A vector-quantised autoencoder and a :class:`MSSPADE` on its latents.

    MS-SPADE maps latents before quantisation to such latents, and decoding quantises. So the decoder sees only
    quantised latents, from the encoder, from MS-SPADE or from the diffusion stage.

    Args:
        autoencoder: autoencoder for every contrast.
        ms_spade: MS-SPADE with the same number of latent channels, or what stands in its place.
        contrasts: names in the order of the indices that MS-SPADE takes, such as T1w, T2w.

    Raises:
        ValueError: if the numbers of contrasts or of channels do not fit, or a name is repeated; when loading, for
            weights of other contrasts.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2a.
    """

    def __init__(
        self, autoencoder: LatentVQAutoencoder, ms_spade: MSSPADE | SourceLatents, contrasts: list[str]
    ) -> None:
        super().__init__()
        if len(set(contrasts)) != len(contrasts):
            raise ValueError(f"contrasts has a name twice: {', '.join(contrasts)}.")
        if len(contrasts) != ms_spade.num_contrasts:
            raise ValueError(f"MS-SPADE is for {ms_spade.num_contrasts} contrasts, contrasts names {len(contrasts)}.")
        if autoencoder.latent_channels != ms_spade.latent_channels:
            raise ValueError(
                f"MS-SPADE is for {ms_spade.latent_channels} latent channels, the autoencoder has "
                f"{autoencoder.latent_channels}."
            )
        self.autoencoder, self.ms_spade, self.contrasts = autoencoder, ms_spade, list(contrasts)
        # One recipe for the whole, which names the contrasts: weights of others may fit, and would give one contrast
        # under the name of another.
        autoencoder.recipe = None  # type: ignore[assignment]
        self.recipe = Recipe({"contrasts": self.contrasts})

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return self.autoencoder.latent_channels

    @property
    def perplexity(self) -> torch.Tensor:
        """Perplexity of the codebook in the last training pass, a scalar."""
        return self.autoencoder.perplexity

    def set_latent_statistics(self, mean: Any, std: Any) -> None:
        """See :class:`~brain_bundles.networks.LatentStatistics`."""
        self.autoencoder.set_latent_statistics(mean, std)

    def raw_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~brain_bundles.networks.LatentStatistics`."""
        return self.autoencoder.raw_moments(x)

    def encode_moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised latents (B, latent_channels, d, h, w) of images (B, 1, D, H, W), and their spread, which is 0."""
        return self.autoencoder.encode_moments(x)

    def target_like(self, z: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Translate normalised latents to target-like ones, both (B, latent_channels, d, h, w).

        Args:
            z: normalised latents of any contrasts.
            targets: one index of ``contrasts`` per latent, (B,); see :class:`MSSPADE`.
        """
        return self.autoencoder.normalise(self.ms_spade(self.autoencoder.denormalise(z), targets))

    def decode_stage_2_outputs(self, z: torch.Tensor, slab_size: int | None = None) -> torch.Tensor:
        """Decode normalised latents to images (B, 1, D, H, W), as in ``LatentVQAutoencoder``."""
        return self.autoencoder.decode_stage_2_outputs(z, slab_size)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Pass images (B, 1, D, H, W) through encoder, quantiser and decoder."""
        return self.autoencoder.reconstruct(x)

    def translate(self, x: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Translate images (B, 1, D, H, W) without diffusion, by encoder, MS-SPADE, quantiser and decoder."""
        return self.decode_stage_2_outputs(self.target_like(self.encode_moments(x)[0], targets))

    def forward(
        self,
        target_image: torch.Tensor,
        source_image: torch.Tensor | None = None,
        sources: Targets = (),
        targets: Targets = (),
        cycle: bool = True,
    ) -> AdaptiveOutput | tuple[torch.Tensor, torch.Tensor]:
        """Reconstruct the target, translate the source to it, and translate the result back to the source.

        Args:
            target_image: (B, 1, D, H, W).
            source_image: the same subjects in the source contrast; None reconstructs only.
            sources: contrast of each source, (B,).
            targets: contrast of each target, (B,).
            cycle: translate back to the source, through decoder and encoder.

        Returns:
            An :class:`AdaptiveOutput`; without a source the reconstruction and the scalar quantisation loss.
        """
        network = self.autoencoder
        if source_image is None:
            return network(target_image)
        z_source, z_target = network.encode(torch.cat([source_image, target_image])).chunk(2)
        both, loss = network.quantiser(torch.cat([z_target, self.ms_spade(z_source, targets)]))
        reconstruction, translation = network.decode(both).chunk(2)
        back = None
        if cycle:
            returned, cycle_loss = network.quantiser(self.ms_spade(network.encode(translation), sources))
            back, loss = network.decode(returned), (2 * loss + cycle_loss) / 3
        return AdaptiveOutput(reconstruction, translation, back, loss)
