"""Training of a generator against a discriminator by least squares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from brain_bundles.engines import AutoencoderTrainer, TrainingResults, per_sample_randn
from brain_bundles.utils import SAMPLE_SEED
from brain_bundles.utils.distributed import unwrap
from torch import nn
from torch.optim import Optimizer


class LSGANTrainer(AutoencoderTrainer):
    """One iteration is a step of the generator on codes drawn anew, then a step of the discriminator on its volumes.

    The targets are 1 for real, 0 for generated and 1 for what the generator wants. The step, its precision and its
    output are those of :class:`~brain_bundles.engines.AutoencoderTrainer`, of which no reconstruction is left; MONAI's
    ``GanTrainer`` has neither loss scaling for two networks nor noise that does not depend on the number of processes.

    Args:
        device: device of the networks.
        max_epochs: number of epochs.
        train_data_loader: yields ``image`` (B, 1, D, H, W) in [0, 1] and ``sample_seed``, from which codes are drawn.
        network: makes volumes of codes, see :class:`VolumeGenerator`.
        optimizer: optimizer of the generator.
        discriminator: for example MONAI's PatchDiscriminator.
        discriminator_optimizer: its optimizer.
        adversarial_weight: weight of the generator's loss, for trainers with other terms beside it.
        gradient_clip_norm: largest gradient norm of each network; None does not clip.
        precision: fp32, bf16, fp16 (CUDA, with loss scaling) or auto.
        train_handlers: handlers of the training.
        **options: of :class:`~brain_bundles.engines.AutoencoderTrainer`.

    Raises:
        ValueError: for a negative weight or an unknown precision; during the run, if batches have no ``sample_seed``.

    Source: Mao et al. 2017, arXiv:1611.04076, equation 9; without conditions, as the baselines of Pinaya et al. 2022.
    """

    def __init__(
        self,
        device: str | torch.device,
        max_epochs: int,
        train_data_loader: Iterable,
        network: nn.Module,
        optimizer: Optimizer,
        *,
        discriminator: nn.Module,
        discriminator_optimizer: Optimizer,
        adversarial_weight: float = 1.0,
        gradient_clip_norm: float | None = None,
        precision: str = "fp32",
        train_handlers: Sequence[Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            device,
            max_epochs,
            train_data_loader,
            network,
            optimizer,
            discriminator=discriminator,
            discriminator_optimizer=discriminator_optimizer,
            adversarial_weight=adversarial_weight,
            adversarial_warmup_epochs=0,
            gradient_clip_norm=gradient_clip_norm,
            precision=precision,
            train_handlers=train_handlers,
            **options,
        )

    def draw_codes(self, batchdata: Any, generator: Any, purpose: str) -> torch.Tensor:
        """Standard normal codes (B, code_size) for a batch, which depend on its samples' seeds and ``purpose`` only."""
        if SAMPLE_SEED not in batchdata:
            raise ValueError(f"{type(self).__name__} draws codes from {SAMPLE_SEED!r}; take a SeededDataset.")
        return per_sample_randn(batchdata[SAMPLE_SEED], purpose, generator.latent_shape).to(self.state.device)

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        codes = self.draw_codes(batchdata, unwrap(self.network), "code")
        return TrainingResults(self.inferer(codes, self.network).float(), image, {})
