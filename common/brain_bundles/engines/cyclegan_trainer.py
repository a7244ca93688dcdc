"""Training of two generators without pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brain_bundles.engines.autoencoder_trainer import AutoencoderTrainer, TrainingResults
from brain_bundles.engines.image_pool import ImagePool
from brain_bundles.networks.cycle_generators import CycleOutput
from brain_bundles.utils.seeding import SAMPLE_SEED


class CycleGANTrainer(AutoencoderTrainer):
    """One iteration is a step of both generators, then a step of both discriminators.

    A batch has ``image``, sources, and ``label``, targets of other people
    (:class:`~brain_bundles.data.UnpairedDataset`). The generators minimise ``adversarial_weight A + cycle_weight C +
    identity_weight I``, each term a mean over both directions: A by least squares, C the L1 between an image and its
    translation there and back, I the L1 between an image and what the generator of its own contrast makes of it. The
    published sums over both directions are twice that. The discriminators see the :class:`ImagePool`.

    Args:
        *args: of :class:`AutoencoderTrainer`; the network is :class:`~brain_bundles.networks.CycleGenerators`, the
            discriminator :class:`~brain_bundles.networks.DomainDiscriminators`.
        cycle_weight: weight of C.
        identity_weight: weight of I; 0 skips its passes.
        adversarial_weight: weight of A.
        image_pool: history of generated images, of both contrasts together; by default one of 50.
        **kwargs: of :class:`AutoencoderTrainer`, without a perceptual loss, which compares pairs.

    Raises:
        ValueError: for a negative weight, or a perceptual loss; during the run, if batches have no ``sample_seed``.

    Source: Zhu et al. 2017, arXiv:1703.10593, equations 1 to 3, section 4 (the pool), section 5.2 (the identity).
    """

    def __init__(
        self,
        *args: Any,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        adversarial_weight: float = 1.0,
        image_pool: ImagePool | None = None,
        **kwargs: Any,
    ) -> None:
        for name, weight in (("cycle_weight", cycle_weight), ("identity_weight", identity_weight)):
            if weight < 0:
                raise ValueError(f"{name} must not be negative, got {weight}; 0 turns the term off.")
        if kwargs.get("perceptual_loss") is not None:
            raise ValueError("a CycleGAN has no pairs for a perceptual_loss; leave it out.")
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.image_pool = ImagePool() if image_pool is None else image_pool
        super().__init__(*args, adversarial_weight=adversarial_weight, adversarial_warmup_epochs=0, **kwargs)

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        if SAMPLE_SEED not in batchdata:
            raise ValueError(f"{type(self).__name__} draws from {SAMPLE_SEED!r}; take a SeededDataset.")
        out: CycleOutput = self.inferer(image, self.network, label, self.identity_weight > 0)
        terms = {"cycle_loss": (self.cycle_weight, _both(out.cycled_source, image, out.cycled_target, label))}
        if out.same_source is not None and out.same_target is not None:
            terms["identity_loss"] = (self.identity_weight, _both(out.same_source, image, out.same_target, label))
        # Targets first: they belong to the images of the batch, in which the engine's output is taken apart.
        fakes = torch.cat([out.fake_target, out.fake_source]).float()
        return TrainingResults(fakes, torch.cat([label, image]), terms)

    def _discriminator_step(self, image: torch.Tensor, results: TrainingResults) -> None:
        both = torch.stack(results.images.chunk(2), dim=1)  # the pool keeps both contrasts of a sample together
        shown = self.image_pool(both, self.state.batch[SAMPLE_SEED])
        super()._discriminator_step(image, results._replace(images=torch.cat(list(shown.unbind(1)))))


def _both(one: torch.Tensor, one_truth: torch.Tensor, other: torch.Tensor, other_truth: torch.Tensor) -> torch.Tensor:
    """Mean of two L1 losses, a scalar."""
    return 0.5 * (nn.functional.l1_loss(one.float(), one_truth) + nn.functional.l1_loss(other.float(), other_truth))
