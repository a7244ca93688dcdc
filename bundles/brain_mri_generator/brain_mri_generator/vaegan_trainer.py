"""Training of a VAE-GAN."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.engines import TrainingResults
from brain_bundles.utils.distributed import unwrap
from torch import nn

from brain_mri_generator.lsgan_trainer import LSGANTrainer


class VAEGANTrainer(LSGANTrainer):
    """One iteration is a step of encoder and generator, then a step of the discriminator.

    Encoder and generator minimise ``kl_weight KL + feature_weight F + reconstruction_weight L1``, the generator also
    ``adversarial_weight A``. F is the mean square between features of the discriminator, of the image and of its
    reconstruction: a similarity that is learned. A is the loss of an :class:`LSGANTrainer`, on reconstructions and on
    volumes of drawn codes; the paper has the logarithmic loss there. Dividing the generator's loss by a number changes
    no step of Adam, so ``adversarial_weight`` is 1 / gamma of the paper.

    Args:
        *args: as for :class:`LSGANTrainer`, with a :class:`VAEGAN` as the network.
        kl_weight: weight of the KL divergence of the codes, in nats.
        feature_weight: weight of F.
        feature_layer: the output of the discriminator, from the first or, negative, from the last one, that F compares.
        reconstruction_weight: weight of the L1 between voxels, which Larsen et al. leave out; 0 leaves it out.
        adversarial_weight: weight of A.
        **kwargs: as for :class:`LSGANTrainer`.

    Raises:
        ValueError: for a negative weight.

    Source: Larsen et al. 2016, arXiv:1512.09300, algorithm 1. The L1 as in Kwon et al. 2019, arXiv:1908.02498.
    """

    def __init__(
        self,
        *args: Any,
        kl_weight: float = 1e-3,
        feature_weight: float = 1.0,
        feature_layer: int = -2,
        reconstruction_weight: float = 0.0,
        adversarial_weight: float = 0.1,
        **kwargs: Any,
    ) -> None:
        if feature_weight < 0:
            raise ValueError(f"feature_weight must not be negative, got {feature_weight}; 0 turns the term off.")
        self.feature_weight, self.feature_layer = feature_weight, feature_layer
        super().__init__(
            *args,
            kl_weight=kl_weight,
            reconstruction_weight=reconstruction_weight,
            adversarial_weight=adversarial_weight,
            **kwargs,
        )

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        generator = unwrap(self.network).generator
        noise, drawn = (self.draw_codes(batchdata, generator, purpose) for purpose in ("posterior", "code"))
        out = self.inferer(image, self.network, noise, drawn)
        terms = {"kl_loss": (self.kl_weight, self.kl_loss(out.mean, out.sigma))}
        if self.feature_weight > 0:
            terms["feature_loss"] = (self.feature_weight, self._feature_distance(out.reconstruction, image))
        if self.reconstruction_weight > 0:
            error = self.reconstruction_loss(out.reconstruction, image)
            terms["reconstruction_loss"] = (self.reconstruction_weight, error)
        return TrainingResults(out.judged, image, terms)

    def _feature_distance(self, reconstruction: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        # Unwrapped and frozen, as for the adversarial loss: this pass needs no gradient of the discriminator's weights.
        discriminator = unwrap(self.discriminator)  # type: ignore[arg-type]
        discriminator.train().requires_grad_(False)
        with torch.no_grad():
            wanted = discriminator(image)[self.feature_layer].float()
        found = discriminator(reconstruction)[self.feature_layer].float()
        discriminator.requires_grad_(True)
        return nn.functional.mse_loss(found, wanted)
