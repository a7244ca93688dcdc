"""Translation of a source volume to any target contrasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from brain_bundles.inferers import LatentSampler, SpreadCalibration, check_num_draws, mean_and_deviation
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
        num_draws: volumes to draw per target. Several draws give their mean and standard deviation.
        spread: target -> what makes the deviation of several draws one of their mean's error, as a recipe has it, see
            :meth:`SpreadCalibration.by_target <brain_bundles.inferers.SpreadCalibration.by_target>`. None leaves it as
            it is.

    Raises:
        ValueError: if the sampler does not concatenate, has another autoencoder, for an unknown start, if ``num_draws``
            is below 1, or above 1 without diffusion, or with another start or number of steps than those of ``spread``.
    """

    def __init__(
        self,
        sampler: LatentSampler,
        *,
        start: str = "noise",
        diffusion: bool = True,
        num_draws: int = 1,
        spread: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        denoiser, autoencoder = sampler.denoiser, sampler.decoder.autoencoder
        if denoiser.mode != "concat":
            raise ValueError(f"the sampler's mode is {denoiser.mode!r}; a translation needs 'concat'.")
        if not isinstance(autoencoder, AdaptiveAutoencoder):
            raise ValueError(f"the sampler has a {type(autoencoder).__name__}, expected an AdaptiveAutoencoder.")
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; allowed: {', '.join(STARTS)}.")
        self.sampler, self.start, self.diffusion = sampler, start, diffusion
        self.num_draws, self.spread = check_num_draws(num_draws), SpreadCalibration.by_target(spread)
        if num_draws > 1:
            self._check_draws()

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
            (1, T, D, H, W) in [0, 1], float32, in the order of the targets. With several draws (1, 2 T, D, H, W): their
            means, then the voxel-wise standard deviations of the means' errors; without ``spread`` those of the draws.

        Raises:
            ValueError: for several sources, a contrast that the autoencoder does not know, or that ``spread`` has no
                numbers for, or another number of seeds.
        """
        if len(inputs) != 1 or len(seeds) != len(targets):
            raise ValueError(
                f"got {len(inputs)} sources, {len(targets)} targets and {len(seeds)} seeds; expected one source, "
                "and as many seeds as targets."
            )
        autoencoder: AdaptiveAutoencoder = self.sampler.decoder.autoencoder
        if unknown := [name for name in targets if name not in autoencoder.contrasts]:
            raise ValueError(f"unknown contrast {unknown[0]!r}; this model knows {', '.join(autoencoder.contrasts)}.")
        if self.num_draws > 1 and self.spread is not None and (left := sorted(set(targets) - self.spread.keys())):
            raise ValueError(
                f"the spread of draws is calibrated for {', '.join(self.spread)}, not for {', '.join(left)}; leave out "
                "num_draws, or calibrate the draws with configs/calibrate.json."
            )
        source = plain_tensor(inputs)
        indices = [autoencoder.contrasts.index(name) for name in targets]
        with self.sampler.decoder.computing(source.device) as channels_last:
            latents = autoencoder.encode_moments(to_memory_format(source, channels_last))[0].float().contiguous()
            latents = latents.repeat_interleave(len(targets), dim=0)
            like = autoencoder.target_like(latents, indices).float()
        if not self.diffusion:
            return self.sampler.decoder(like).transpose(0, 1)
        condition = target_condition(like, latents, indices, len(autoencoder.contrasts))
        start = like if self.start == "target_like" else None

        def draw(seeds: Sequence[int]) -> torch.Tensor:
            made = self.sampler.sample_latents(condition, network, seeds=seeds, start=start)
            return self.sampler.decoder(made).transpose(0, 1)

        if self.num_draws == 1:
            return draw(seeds)
        mean, deviation = mean_and_deviation(draw, seeds, self.num_draws)
        if self.spread is not None:
            calibrated = [self.spread[name](deviation[:, number]) for number, name in enumerate(targets)]
            deviation = torch.stack(calibrated, dim=1)
        return torch.cat([mean, deviation], dim=1)

    def _check_draws(self) -> None:
        """Raise ValueError if several draws cannot be had, or are not those that ``spread`` was fitted to."""
        if not self.diffusion:
            raise ValueError(f"num_draws is {self.num_draws}, but without the diffusion nothing is drawn; give 1.")
        if self.spread is None:
            return
        if self.start != "noise":
            raise ValueError(
                f"num_draws above 1 gives an uncertainty, which these weights have for the start 'noise', not for "
                f"{self.start!r}."
            )
        (calibration, *_) = self.spread.values()  # all targets are calibrated together
        calibration.check(self.sampler.steps.num_inference_steps, self.num_draws)

    def to_module(self, network: nn.Module, spatial_size: Sequence[int]) -> AdaptiveTranslationModule:
        """The whole as one module, for export."""
        return AdaptiveTranslationModule(self, network, spatial_size)
