"""Training of autoencoder and MS-SPADE together, on pairs of contrasts."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.engines import AutoencoderTrainer, TrainingResults


class AdaptiveAutoencoderTrainer(AutoencoderTrainer):
    """Trains an :class:`AdaptiveAutoencoder`: reconstruction, quantisation, adversarial, perceptual and cycle losses.

    A batch has the entries of :class:`~brain_bundles.transforms.RandContrastPair` on images: ``image`` and ``label``
    (B, 1, D, H, W), ``source`` and ``target`` (B,). The target is reconstructed and the source translated to it; both
    results are compared with the target by L1, by the perceptual loss and by the discriminator. The cycle loss is the
    L1 between the source and the translation of the translation.

    Args:
        *args: of :class:`~brain_bundles.engines.AutoencoderTrainer`.
        translation_weight: weight of the translation's L1. With 0, and cycle_weight 0, MS-SPADE is left out and the
            autoencoder is trained alone, the first of two stages.
        cycle_weight: weight of the cycle loss; 0 skips its passes.
        **kwargs: of :class:`~brain_bundles.engines.AutoencoderTrainer`.

    Raises:
        ValueError: for a negative weight.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2a; the weights are ours, the paper's are unknown.
    """

    def __init__(self, *args: Any, translation_weight: float = 1.0, cycle_weight: float = 0.5, **kwargs: Any) -> None:
        for name, weight in (("translation_weight", translation_weight), ("cycle_weight", cycle_weight)):
            if weight < 0:
                raise ValueError(f"{name} must not be negative, got {weight}; 0 turns the term off.")
        if cycle_weight > 0 and translation_weight == 0:
            raise ValueError("cycle_weight is above 0 and translation_weight is 0: a cycle needs a translation.")
        self.translation_weight, self.cycle_weight = translation_weight, cycle_weight
        super().__init__(*args, **kwargs)

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        if self.translation_weight == 0:
            reconstruction, loss = self.network(label)
            images, truth, terms = reconstruction.float(), label, self.regularisation((loss,))
        else:
            sources, targets = (batchdata[role].tolist() for role in ("source", "target"))
            out = self.network(label, image, sources, targets, cycle=self.cycle_weight > 0)
            images, truth = torch.cat([out.reconstruction, out.translation]).float(), torch.cat([label, label])
            terms = self.regularisation((out.quantisation_loss,))
            translated = self.reconstruction_loss(out.translation.float(), label)
            terms["translation_loss"] = (self.translation_weight, translated)
            if out.cycle is not None:
                terms["cycle_loss"] = (self.cycle_weight, self.reconstruction_loss(out.cycle.float(), image))
        reconstructed = self.reconstruction_loss(images[: len(label)], label)
        return TrainingResults(
            images, truth, {"reconstruction_loss": (self.reconstruction_weight, reconstructed), **terms}
        )
