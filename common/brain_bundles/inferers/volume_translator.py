"""Translation of a source volume to a target volume in latent space."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from brain_bundles.inferers.draws import check_num_draws, mean_and_deviation
from brain_bundles.inferers.latent_sampler import LatentSampler
from brain_bundles.inferers.slice_windows import SliceWindows
from brain_bundles.inferers.spread_calibration import SpreadCalibration
from brain_bundles.inferers.tensor_modules import TranslationModule
from brain_bundles.utils.memory_format import to_memory_format
from brain_bundles.utils.plain_tensor import plain_tensor


class VolumeTranslator(Inferer):
    """Encode the source once, sample target latents given its latent, decode them.

    Args:
        sampler: with mode "concat"; its autoencoder also encodes the source.
        windows: windows of slices for the network; None takes whole volumes.
        num_draws: targets to draw per source. Several draws give their mean and standard deviation.
        spread: what makes the deviation of several draws one of their mean's error, see :class:`SpreadCalibration`; the
            entry of a recipe serves, too. None leaves it as it is.

    Raises:
        ValueError: if the sampler does not concatenate, ``num_draws`` is below 1, or above 1 with another number of
            steps than that of ``spread``.
    """

    def __init__(
        self,
        sampler: LatentSampler,
        *,
        windows: SliceWindows | None = None,
        num_draws: int = 1,
        spread: SpreadCalibration | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if sampler.denoiser.mode != "concat":
            raise ValueError(f"the sampler's mode is {sampler.denoiser.mode!r}; a translation needs 'concat'.")
        self.sampler, self.windows = sampler, windows or SliceWindows()
        self.num_draws = check_num_draws(num_draws)
        self.spread = SpreadCalibration.of(spread)
        if num_draws > 1 and self.spread is not None:
            self.spread.check(sampler.steps.num_inference_steps, num_draws)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *, seeds: Sequence[int]
    ) -> torch.Tensor:
        """Translate sources to targets.

        Args:
            inputs: sources (B, 1, D, H, W) in [0, 1], on the device to run on.
            network: the diffusion network; takes (B, 2 C, S, h, w) and ``timesteps`` (B,).
            seeds: one integer per source; further draws have seeds derived from it.

        Returns:
            (B, 1, D, H, W) in [0, 1], float32. With several draws (B, 2, D, H, W): their mean, and the voxel-wise
            standard deviation of its error; without ``spread`` that of the draws (with their number less one).
        """
        condition = self.encode(plain_tensor(inputs))
        windows = copy.copy(self.windows)  # it remembers the size that fits into memory, for this call only

        def in_windows(x: torch.Tensor, *, timesteps: torch.Tensor) -> torch.Tensor:
            return windows(x, network, timesteps=timesteps)

        def draw(seeds: Sequence[int]) -> torch.Tensor:
            return self.sampler(condition, in_windows, seeds=seeds)

        if self.num_draws == 1:
            return draw(seeds)
        mean, deviation = mean_and_deviation(draw, seeds, self.num_draws)
        return torch.cat([mean, deviation if self.spread is None else self.spread(deviation)], dim=1)

    def encode(self, source: torch.Tensor) -> torch.Tensor:
        """Encode sources (B, 1, D, H, W) to the condition: means of normalised latents (B, C, S, h, w), float32."""
        decoder = self.sampler.decoder
        with decoder.computing(source.device) as channels_last:
            return decoder.autoencoder.encode_moments(to_memory_format(source, channels_last))[0].float().contiguous()

    def to_module(self, network: nn.Module, spatial_size: Sequence[int]) -> TranslationModule:
        """The whole as one module, for export."""
        return TranslationModule(self, network, spatial_size)
