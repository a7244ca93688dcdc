"""Training of autoencoder and MS-SPADE together, on pairs of contrasts."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.engines import AutoencoderTrainer, TrainingResults


class AdaptiveAutoencoderTrainer(AutoencoderTrainer):
    """Trains an :class:`AdaptiveAutoencoder`: reconstruction, quantisation, adversarial, perceptual and cycle losses.

    A batch has the entries of :class:`~brain_bundles.transforms.RandContrastPair` on images: ``image`` and ``label``
    (B, 1, D, H, W), ``source`` and ``target`` (B,). The target is reconstructed and the source translated to it, and
    both results are compared with the target by L1 (their mean is the reconstruction loss), by the perceptual loss and
    by the discriminator. The cycle loss is the L1 between the source and the translation of the translation.

    Args:
        *args: of :class:`~brain_bundles.engines.AutoencoderTrainer`.
        cycle_weight: of the cycle loss; 0 leaves its passes out.
        **kwargs: of :class:`~brain_bundles.engines.AutoencoderTrainer`.

    Raises:
        ValueError: for a negative weight.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2a; the weights are ours, the paper's are unknown.
    """

    def __init__(self, *args: Any, cycle_weight: float = 1.0, **kwargs: Any) -> None:
        if cycle_weight < 0:
            raise ValueError(f"cycle_weight must not be negative, got {cycle_weight}; 0 turns the term off.")
        self.cycle_weight = cycle_weight
        super().__init__(*args, **kwargs)

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        sources, targets = (batchdata[role].tolist() for role in ("source", "target"))
        out = self.network(image, label, sources, targets, cycle=self.cycle_weight > 0)
        images, truth = torch.cat([out.reconstruction, out.translation]).float(), torch.cat([label, label])
        terms = {
            "reconstruction_loss": (1.0, self.reconstruction_loss(images, truth)),
            **self.regularisation((out.quantisation_loss,)),
        }
        if out.cycle is not None:
            terms["cycle_loss"] = (self.cycle_weight, self.reconstruction_loss(out.cycle.float(), image))
        return TrainingResults(images, truth, terms)
