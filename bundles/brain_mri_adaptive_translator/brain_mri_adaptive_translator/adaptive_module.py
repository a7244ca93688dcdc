"""The adaptive translator as one module, for export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from brain_bundles.inferers import WalkModule, check_one_draw, random_image
from torch import nn

from brain_mri_adaptive_translator.indexed_spade import IndexedMSSPADE
from brain_mri_adaptive_translator.target_unet import target_condition

if TYPE_CHECKING:
    from brain_mri_adaptive_translator.adaptive_translator import AdaptiveTranslator


class AdaptiveTranslationModule(WalkModule):
    """Image (1, 1, D, H, W), index of the target and noise to the translated volume, (1, 1, D, H, W) in [0, 1].

    Args:
        translator: its settings are fixed.
        network: a :class:`TargetDiffusionUNet`.
        spatial_size: (D, H, W) of the grid.

    Raises:
        ValueError: for a translator without diffusion, or of several draws; see also
            :class:`~brain_bundles.inferers.WalkModule`.
    """

    about = {  # noqa: RUF012
        "image": "(1, 1, D, H, W): the scan on the model's grid, as the preprocessing makes it; any contrast",
        "target": "(1,): index of the target in contrasts, from 0",
        "noise": "standard normal numbers",
    }
    output = ("translation", "(1, 1, D, H, W): the target contrast on the model's grid, in [0, 1]")
    # Rounding chooses between codes of the quantiser that are equally near. onnxruntime chose others than torch for up
    # to 0.08 % of the voxels of phantoms and random images (shipped weights).
    tie_share = 0.005

    def __init__(self, translator: AdaptiveTranslator, network: nn.Module, spatial_size: Sequence[int]) -> None:
        if not translator.diffusion:
            raise ValueError("diffusion is False; an export has the diffusion.")
        check_one_draw(translator.num_draws)
        sampler = translator.sampler
        adaptive = sampler.decoder.autoencoder
        shape = adaptive.encode_moments(torch.zeros(1, 1, *spatial_size))[0].shape[1:]
        from_target_like = translator.start == "target_like"
        super().__init__(sampler, network, shape, autoencoder=adaptive.autoencoder, from_noise=not from_target_like)
        self.ms_spade = IndexedMSSPADE(adaptive.ms_spade)
        self.from_target_like, self.num_contrasts = from_target_like, len(adaptive.contrasts)
        self.spatial_size = tuple(spatial_size)
        self.settings |= {"start": translator.start}

    def inputs(self, seed: int = 0) -> dict[str, torch.Tensor]:
        """See :class:`~brain_bundles.inferers.TensorModule`; seeds in turn have the targets in turn."""
        target = torch.tensor([seed % self.num_contrasts])
        return {"image": random_image(self.spatial_size, seed), "target": target, "noise": self.noise(seed)}

    def forward(self, image: torch.Tensor, target: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        source = self.autoencoder.encode_moments(image)[0]
        like = self.autoencoder.normalise(self.ms_spade(self.autoencoder.denormalise(source), target))
        condition = target_condition(like, source, target, self.num_contrasts)
        return self.sampler.decoder(self.denoise(noise, condition, like if self.from_target_like else None))
