"""Training of an autoencoder by reconstruction, regularisation, perceptual and adversarial losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from monai.engines import Trainer, default_metric_cmp_fn, default_prepare_batch
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer, SimpleInferer
from monai.losses import PatchAdversarialLoss
from monai.utils import CommonKeys as Keys
from torch import nn
from torch.optim import Optimizer

from brain_bundles.engines.per_sample_noise import per_sample_sampling
from brain_bundles.losses.kl import KLDivergenceLoss
from brain_bundles.utils.distributed import unwrap
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.precision import autocast, resolve_precision
from brain_bundles.utils.seeding import SAMPLE_SEED


class TrainingResults(NamedTuple):
    """Outputs and losses of one batch.

    The perceptual and the adversarial loss take ``images`` (N, C, ...) and ``truth``, of the same shape; ``terms`` are
    the other losses, name -> (weight, scalar). ``unpaired`` (M, C, ...) are images without a truth of their own, which
    the adversarial loss takes too.
    """

    images: torch.Tensor
    truth: torch.Tensor
    terms: dict[str, tuple[float, torch.Tensor]]
    unpaired: torch.Tensor | None = None

    @property
    def made(self) -> torch.Tensor:
        """All images (N + M, C, ...) that the network made."""
        return self.images if self.unpaired is None else torch.cat([self.images, self.unpaired])

    def detached(self) -> TrainingResults:
        """The same images without gradients."""
        unpaired = None if self.unpaired is None else self.unpaired.detach()
        return self._replace(images=self.images.detach(), unpaired=unpaired)


class AutoencoderTrainer(Trainer):
    """One iteration is a step of the autoencoder, then, after the warm-up, a step of the discriminator.

    The autoencoder minimises ``reconstruction_weight L1 + kl_weight KL + perceptual_weight P + adversarial_weight A``;
    the discriminator the mean of its losses on real and reconstructed images. ``engine.state.output`` holds image,
    pred, the total ``loss`` and every term, unweighted, as ``<term>_loss``; a term that is off has no entry. A network
    with a ``perplexity`` (a :class:`~brain_bundles.networks.LatentVQAutoencoder`) adds it.

    The network returns the reconstruction and the inputs of its regularisation: (mu, sigma) of a KL autoencoder, the
    quantisation loss of a VQ-VAE, or nothing. If prepare_batch gives a label, the output is compared with the label
    instead of the image: this trains an image-to-image network as pix2pix (Isola et al. 2017, arXiv:1611.07004). If
    batches carry ``sample_seed`` (:class:`~brain_bundles.data.SeededDataset`), the latent noise depends on the sample
    only, not on the batch or the number of ranks.

    Args:
        device: device of the networks.
        max_epochs: number of epochs.
        train_data_loader: yields dictionaries with ``image`` (B, C, D, H, W) or (B, C, H, W).
        network: the autoencoder.
        optimizer: optimizer of the autoencoder.
        discriminator: for example MONAI's PatchDiscriminator; None turns the adversarial loss off.
        discriminator_optimizer: needed with a discriminator.
        reconstruction_loss: of (reconstruction, image), L1 by default.
        reconstruction_weight: its weight.
        kl_weight: weight of the KL term, a sum over latent elements (see KLDivergenceLoss).
        quantisation_weight: weight of the quantisation loss of a VQ-VAE.
        perceptual_loss: of (reconstruction, image), None turns it off; see ``make_perceptual_loss``.
        perceptual_weight: its weight.
        adversarial_loss: MONAI's PatchAdversarialLoss, least squares without activation by default.
        adversarial_weight: its weight in the autoencoder's loss.
        adversarial_warmup_epochs: epochs before the discriminator starts.
        conditional_discriminator: the discriminator sees the network's input beside each image, as in pix2pix.
        gradient_clip_norm: largest gradient norm of each network; None does not clip.
        precision: fp32, bf16, fp16 (CUDA, with loss scaling) or auto.
        inferer: called as ``inferer(image, network)``.
        train_handlers: handlers; the other arguments are those of ``monai.engines.SupervisedTrainer``.

    Raises:
        ValueError: for a negative weight, a discriminator without optimizer, an unknown precision.

    Source: Esser et al. 2021, arXiv:2012.09841; Rombach et al. 2022, arXiv:2112.10752, appendix G.
    """

    def __init__(
        self,
        device: str | torch.device,
        max_epochs: int,
        train_data_loader: Iterable,
        network: nn.Module,
        optimizer: Optimizer,
        *,
        discriminator: nn.Module | None = None,
        discriminator_optimizer: Optimizer | None = None,
        reconstruction_loss: Callable | None = None,
        reconstruction_weight: float = 1.0,
        kl_weight: float = 1e-6,
        quantisation_weight: float = 1.0,
        perceptual_loss: Callable | None = None,
        perceptual_weight: float = 0.002,
        adversarial_loss: Callable | None = None,
        adversarial_weight: float = 0.005,
        adversarial_warmup_epochs: int = 5,
        conditional_discriminator: bool = False,
        gradient_clip_norm: float | None = None,
        precision: str = "fp32",
        inferer: Inferer | None = None,
        epoch_length: int | None = None,
        non_blocking: bool = False,
        prepare_batch: Callable = default_prepare_batch,
        postprocessing: Callable | None = None,
        key_train_metric: dict | None = None,
        additional_metrics: dict | None = None,
        metric_cmp_fn: Callable = default_metric_cmp_fn,
        train_handlers: Sequence | None = None,
        decollate: bool = True,
    ) -> None:
        weights = {
            "reconstruction_weight": reconstruction_weight,
            "kl_weight": kl_weight,
            "quantisation_weight": quantisation_weight,
            "perceptual_weight": perceptual_weight,
            "adversarial_weight": adversarial_weight,
            "adversarial_warmup_epochs": adversarial_warmup_epochs,
        }
        for name, value in weights.items():
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}; 0 turns the term off.")
        if gradient_clip_norm is not None and gradient_clip_norm <= 0:
            raise ValueError(f"gradient_clip_norm must be positive, got {gradient_clip_norm}; null turns clipping off.")
        if discriminator is not None and discriminator_optimizer is None:
            raise ValueError("a discriminator needs discriminator_optimizer.")
        self.precision = resolve_precision(precision, device)
        self.network, self.optimizer = network, optimizer
        self.discriminator, self.discriminator_optimizer = discriminator, discriminator_optimizer
        self.reconstruction_loss = reconstruction_loss or nn.L1Loss()
        self.reconstruction_weight = reconstruction_weight
        self.kl_loss, self.kl_weight = KLDivergenceLoss(), kl_weight
        self.quantisation_weight = quantisation_weight
        self.conditional_discriminator = conditional_discriminator
        self.perceptual_loss, self.perceptual_weight = perceptual_loss, perceptual_weight
        self.adversarial_loss = adversarial_loss or PatchAdversarialLoss(no_activation_leastsq=True)
        self.adversarial_weight, self.adversarial_warmup_epochs = adversarial_weight, adversarial_warmup_epochs
        self.gradient_clip_norm = gradient_clip_norm
        self.inferer = inferer or SimpleInferer()
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            non_blocking=non_blocking,
            prepare_batch=prepare_batch,
            postprocessing=postprocessing,
            key_metric=key_train_metric,
            additional_metrics=additional_metrics,
            metric_cmp_fn=metric_cmp_fn,
            handlers=train_handlers,
            decollate=decollate,
        )
        if isinstance(perceptual_loss, nn.Module):
            perceptual_loss.to(self.state.device)
        # Two scalers, since a skipped step of one network must not lower the scale of the other. Disabled ones pass
        # through.
        scaling = {"device": self.state.device.type, "enabled": self.precision == "fp16"}
        self.generator_scaler = torch.amp.GradScaler(**scaling)
        self.discriminator_scaler = torch.amp.GradScaler(**scaling)

    def regularisation(self, latents: tuple[torch.Tensor, ...]) -> dict[str, tuple[float, torch.Tensor]]:
        """Regularisation terms of the network's outputs after the reconstruction: name -> (weight, scalar)."""
        if len(latents) == 2:
            return {"kl_loss": (self.kl_weight, self.kl_loss(*latents))}
        if len(latents) == 1:
            return {"quantisation_loss": (self.quantisation_weight, latents[0])}
        return {}

    @property
    def adversarial(self) -> bool:
        """True if the discriminator takes part in this epoch."""
        after_warmup = self.state.epoch > self.adversarial_warmup_epochs
        return self.discriminator is not None and self.adversarial_weight > 0 and after_warmup

    def _iteration(self, engine: AutoencoderTrainer, batchdata: Any) -> dict:
        if batchdata is None:
            raise ValueError("Must provide batch data for current iteration.")
        image, label = self.prepare_batch(batchdata, self.state.device, self.non_blocking, **self.to_kwargs)
        seeds = batchdata.get(SAMPLE_SEED) if isinstance(batchdata, dict) else None
        self.state.output = {Keys.IMAGE: image} if label is None else {Keys.IMAGE: image, Keys.LABEL: label}
        image, label = plain_tensor(image), plain_tensor(image if label is None else label)
        results = self._autoencoder_step(image, label, batchdata, seeds)
        self.state.output[Keys.PRED] = results.images
        if self.adversarial:
            self._discriminator_step(image, results)
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        return self.state.output

    def generate(self, image: torch.Tensor, label: torch.Tensor, batchdata: Any) -> TrainingResults:
        """Run the network on a batch, under autocast. Trainers of other autoencoders override this.

        Args:
            image: input (B, C, ...).
            label: the desired output.
            batchdata: the batch of the data loader.
        """
        output = self.inferer(image, self.network)
        reconstruction, *latents = output if isinstance(output, tuple) else (output,)
        reconstruction = reconstruction.float()
        terms = {"reconstruction_loss": (self.reconstruction_weight, self.reconstruction_loss(reconstruction, label))}
        return TrainingResults(reconstruction, label, {**terms, **self.regularisation(tuple(latents))})

    def _autoencoder_step(
        self, image: torch.Tensor, label: torch.Tensor, batchdata: Any, seeds: torch.Tensor | None
    ) -> TrainingResults:
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with per_sample_sampling(unwrap(self.network), seeds), autocast(self.precision, self.state.device):
            results = self.generate(image, label, batchdata)
        self.fire_event(IterationEvents.FORWARD_COMPLETED)
        if (perplexity := getattr(unwrap(self.network), "perplexity", None)) is not None:
            self.state.output["perplexity"] = perplexity

        terms = dict(results.terms)
        if self.perceptual_loss is not None and self.perceptual_weight > 0:
            terms["perceptual_loss"] = (self.perceptual_weight, self.perceptual_loss(results.images, results.truth))
        if self.adversarial:
            terms["adversarial_loss"] = (self.adversarial_weight, self._adversarial_term(image, results.made))
        loss = torch.stack([weight * value for weight, value in terms.values()]).sum()
        self.state.output.update({name: value.detach() for name, (_, value) in terms.items()})
        self.state.output[Keys.LOSS] = loss.detach()
        self.fire_event(IterationEvents.LOSS_COMPLETED)

        self._step(loss, self.network, self.optimizer, self.generator_scaler)
        return results.detached()

    def _judged(self, image: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        """Input of the discriminator: ``result``, beside the network's input if the discriminator is conditional."""
        return torch.cat([image, result], dim=1) if self.conditional_discriminator else result.contiguous()

    def _adversarial_term(self, image: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        # The unwrapped and frozen discriminator: this pass needs no gradient of its weights, and the reducer of
        # DistributedDataParallel must not see it.
        discriminator = unwrap(self.discriminator)  # type: ignore[arg-type]
        discriminator.train().requires_grad_(False)
        with autocast(self.precision, self.state.device):
            logits = last_output(discriminator(self._judged(image, reconstruction)))
        discriminator.requires_grad_(True)
        return self.adversarial_loss(logits.float(), target_is_real=True, for_discriminator=False)

    def _discriminator_step(self, image: torch.Tensor, results: TrainingResults) -> None:
        assert self.discriminator is not None
        assert self.discriminator_optimizer is not None
        self.discriminator.train()
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for result, real in ((results.made, False), (results.truth, True)):
            with autocast(self.precision, self.state.device):
                logits = last_output(self.discriminator(self._judged(image, result)))
            losses.append(self.adversarial_loss(logits.float(), target_is_real=real, for_discriminator=True))
        loss = 0.5 * (losses[0] + losses[1])
        self.state.output["discriminator_loss"] = loss.detach()
        self._step(loss, self.discriminator, self.discriminator_optimizer, self.discriminator_scaler)

    def _step(self, loss: torch.Tensor, network: nn.Module, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
        scaler.scale(loss).backward()
        self.fire_event(IterationEvents.BACKWARD_COMPLETED)
        if self.gradient_clip_norm is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(network.parameters(), self.gradient_clip_norm)
        scaler.step(optimizer)
        scaler.update()


def last_output(output: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    """The logits of a discriminator; MONAI's returns its features too, the logits last."""
    return output if isinstance(output, torch.Tensor) else output[-1]
