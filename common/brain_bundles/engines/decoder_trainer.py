"""Training of a decoder on the latents that its diffusion model generates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from brain_bundles.data.generated_latents import GeneratedLatents
from brain_bundles.engines.autoencoder_trainer import AutoencoderTrainer, TrainingResults
from brain_bundles.utils.distributed import unwrap
from brain_bundles.utils.seeding import SAMPLE_SEED, derive_seed


class DecoderTrainer(AutoencoderTrainer):
    """:class:`AutoencoderTrainer` whose decoder learns from as many generated latents as images.

    A decoder of real latents alone blurs what a diffusion model generates: those latents are not quite like any of an
    image. Images of generated latents have no truth. The adversarial loss asks that they look real.
    ``consistency_loss``, the mean size of the difference after ``low_pass``, asks that they keep the large structures
    that ``reference`` decodes. The encoder must be frozen, so that the diffusion model stays valid.

    Args:
        args, kwargs: as for :class:`AutoencoderTrainer`.
        generated: source of the latents.
        reference: an autoencoder with the same encoder, whose weights do not change.
        low_pass: linear filter of images (B, C, D, H, W), such as MONAI's GaussianFilter.
        consistency_weight: weight of the consistency loss.

    Raises:
        ValueError: for a negative weight, or a discriminator that sees the network's input.
    """

    def __init__(
        self,
        *args: Any,
        generated: GeneratedLatents,
        reference: nn.Module,
        low_pass: Callable[[torch.Tensor], torch.Tensor],
        consistency_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if consistency_weight < 0:
            raise ValueError(f"consistency_weight must not be negative, got {consistency_weight}; 0 turns it off.")
        super().__init__(*args, **kwargs)
        if self.conditional_discriminator:
            raise ValueError("conditional_discriminator must be false: generated latents have no input image.")
        self.generated, self.low_pass, self.consistency_weight = generated, low_pass, consistency_weight
        self.reference: Any = reference.eval().requires_grad_(False).to(self.state.device)
        if isinstance(low_pass, nn.Module):
            low_pass.to(self.state.device)

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        """Reconstruct the images, and decode one generated patch for each of them."""
        results = super().generate(image, label, batchdata)
        latents = self.generated.draw(self._seeds(batchdata, len(image))).to(image.device)
        images = unwrap(self.network).decode_stage_2_outputs(latents).float()  # type: ignore[operator]
        with torch.no_grad():
            kept = self.reference.decode_stage_2_outputs(latents).float()
        consistency = self.low_pass(images - kept).abs().mean()
        terms = {**results.terms, "consistency_loss": (self.consistency_weight, consistency)}
        return results._replace(terms=terms, unpaired=images)

    def _seeds(self, batchdata: Any, count: int) -> list[int]:
        """Seeds of the samples, which do not depend on the batch; else of the place in the training."""
        seeds = batchdata.get(SAMPLE_SEED) if isinstance(batchdata, dict) else None
        if seeds is not None:
            return [int(seed) for seed in seeds]
        return [derive_seed(self.state.iteration, place) for place in range(count)]
