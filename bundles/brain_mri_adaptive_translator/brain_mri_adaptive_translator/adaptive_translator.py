"""Source volumes to volumes of any target contrasts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from brain_bundles.inferers import LatentSampler
from brain_bundles.utils import autocast
from monai.data import MetaTensor
from monai.inferers import Inferer

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder
from brain_mri_adaptive_translator.target_unet import target_condition

STARTS = ("noise", "target_like")


class AdaptiveTranslator(Inferer):
    """Encode each source once, make its latent target-like for every target, denoise all targets as one batch, decode.

    Args:
        sampler: with mode "concat"; its autoencoder is an :class:`AdaptiveAutoencoder`.
        start: ``noise`` begins the denoising with noise alone, ``target_like`` with the noised target-like latent at
            the sampler's ``denoising_start``: fewer steps, nearer to what MS-SPADE made.
        diffusion: False decodes the target-like latent as it is, MS-SPADE alone.

    Raises:
        ValueError: if the sampler does not concatenate, has another autoencoder or a temperature, or for an unknown
            start.
    """

    def __init__(self, sampler: LatentSampler, *, start: str = "noise", diffusion: bool = True) -> None:
        super().__init__()
        denoiser, autoencoder = sampler.denoiser, sampler.decoder.autoencoder
        if denoiser.mode != "concat":
            raise ValueError(f"the sampler's mode is {denoiser.mode!r}; a translation needs 'concat'.")
        if not isinstance(autoencoder, AdaptiveAutoencoder):
            raise ValueError(f"the sampler has a {type(autoencoder).__name__}, expected an AdaptiveAutoencoder.")
        if denoiser.temperature != 1:  # its formula is for latents that scatter around 0, not around a target-like one
            raise ValueError(f"the sampler's temperature is {denoiser.temperature}; a translation needs 1.")
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; allowed: {', '.join(STARTS)}.")
        self.sampler, self.start, self.diffusion = sampler, start, diffusion

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        *,
        seeds: Sequence[int],
        targets: Sequence[str],
        images: Sequence[Hashable] | None = None,
    ) -> torch.Tensor:
        """Targets of sources.

        Args:
            inputs: the source of each target (B, 1, D, H, W) in [0, 1], on the device to run on.
            network: a :class:`TargetDiffusionUNet`.
            seeds: one integer per target.
            targets: a contrast of the autoencoder per target.
            images: what each source is, such as its path: equal ones are encoded once. None encodes all.

        Returns:
            (B, 1, D, H, W) in [0, 1], float32.

        Raises:
            ValueError: for a contrast that the autoencoder does not know.
        """
        autoencoder: AdaptiveAutoencoder = self.sampler.decoder.autoencoder
        if unknown := [name for name in targets if name not in autoencoder.contrasts]:
            raise ValueError(f"unknown contrast {unknown[0]!r}; this model knows {', '.join(autoencoder.contrasts)}.")
        source = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        names: list[Hashable] = [*range(len(source))] if images is None else list(images)
        first = {name: names.index(name) for name in dict.fromkeys(names)}
        place = {name: number for number, name in enumerate(first)}
        indices = [autoencoder.contrasts.index(name) for name in targets]
        with torch.inference_mode(), autocast(self.sampler.decoder.precision, source.device):
            latents = autoencoder.encode_moments(source[list(first.values())])[0].float()
            latents = latents[[place[name] for name in names]]
            like = autoencoder.target_like(latents, indices).float()
        if not self.diffusion:
            return self.sampler.decoder(like)
        condition = target_condition(like, latents, indices, len(autoencoder.contrasts))
        start = like if self.start == "target_like" else None
        return self.sampler.decoder(self.sampler.sample_latents(condition, network, seeds=seeds, start=start))
