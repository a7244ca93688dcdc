"""Translation of a source volume to any target contrasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from brain_bundles.inferers import LatentSampler
from brain_bundles.utils import plain_tensor
from brain_bundles.utils.memory_format import to_memory_format
from monai.inferers import Inferer
from torch import nn

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder
from brain_mri_adaptive_translator.adaptive_module import AdaptiveTranslationModule
from brain_mri_adaptive_translator.target_unet import target_condition

STARTS = ("noise", "target_like")


class AdaptiveTranslator(Inferer):
    """Encode a source once, make its latent target-like for every target, denoise all targets as one batch, decode.

    Args:
        sampler: sampler with mode "concat", whose autoencoder is an :class:`AdaptiveAutoencoder`.
        start: ``noise`` begins the denoising with noise alone, ``target_like`` with the noised target-like latent at
            the sampler's ``denoising_start``: fewer steps, and a result nearer to that of MS-SPADE.
        diffusion: False decodes the target-like latent directly, the result of MS-SPADE alone.

    Raises:
        ValueError: if the sampler does not concatenate, has another autoencoder, or for an unknown start.
    """

    def __init__(self, sampler: LatentSampler, *, start: str = "noise", diffusion: bool = True) -> None:
        super().__init__()
        denoiser, autoencoder = sampler.denoiser, sampler.decoder.autoencoder
        if denoiser.mode != "concat":
            raise ValueError(f"the sampler's mode is {denoiser.mode!r}; a translation needs 'concat'.")
        if not isinstance(autoencoder, AdaptiveAutoencoder):
            raise ValueError(f"the sampler has a {type(autoencoder).__name__}, expected an AdaptiveAutoencoder.")
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; allowed: {', '.join(STARTS)}.")
        self.sampler, self.start, self.diffusion = sampler, start, diffusion

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *,
        targets: Sequence[str],
        seeds: Sequence[int],
    ) -> torch.Tensor:
        """Translate one source to the targets.

        Args:
            inputs: the source (1, 1, D, H, W) in [0, 1], on the device to run on.
            network: a :class:`TargetDiffusionUNet`.
            targets: T contrasts of the autoencoder.
            seeds: one integer per target.

        Returns:
            (1, T, D, H, W) in [0, 1], float32, in the order of the targets.

        Raises:
            ValueError: for several sources, a contrast that the autoencoder does not know, or another number of seeds.
        """
        if len(inputs) != 1 or len(seeds) != len(targets):
            raise ValueError(
                f"got {len(inputs)} sources, {len(targets)} targets and {len(seeds)} seeds; expected one source, "
                "and as many seeds as targets."
            )
        autoencoder: AdaptiveAutoencoder = self.sampler.decoder.autoencoder
        if unknown := [name for name in targets if name not in autoencoder.contrasts]:
            raise ValueError(f"unknown contrast {unknown[0]!r}; this model knows {', '.join(autoencoder.contrasts)}.")
        source = plain_tensor(inputs)
        indices = [autoencoder.contrasts.index(name) for name in targets]
        with self.sampler.decoder.computing(source.device) as channels_last:
            latents = autoencoder.encode_moments(to_memory_format(source, channels_last))[0].float().contiguous()
            latents = latents.repeat_interleave(len(targets), dim=0)
            like = autoencoder.target_like(latents, indices).float()
        if self.diffusion:
            condition = target_condition(like, latents, indices, len(autoencoder.contrasts))
            start = like if self.start == "target_like" else None
            like = self.sampler.sample_latents(condition, network, seeds=seeds, start=start)
        return self.sampler.decoder(like).transpose(0, 1)

    def to_module(self, network: nn.Module, spatial_size: Sequence[int]) -> AdaptiveTranslationModule:
        """The whole as one module, for export."""
        return AdaptiveTranslationModule(self, network, spatial_size)
