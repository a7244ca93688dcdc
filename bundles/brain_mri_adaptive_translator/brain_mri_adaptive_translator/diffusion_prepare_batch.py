"""Batch of the diffusion training: target-like latents and source latents beside the noisy target latents."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.engines import LatentDiffusionPrepareBatch
from brain_bundles.utils import autocast, plain_tensor
from monai.networks.schedulers import Scheduler

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder
from brain_mri_adaptive_translator.target_unet import target_condition

CONDITION = "condition"
SMALLEST_RELATIVE_ERROR = 1e-2  # squared error of a target-like latent, relative to all pairs


class TargetDiffusionPrepareBatch(LatentDiffusionPrepareBatch):
    """Prepare a batch of :class:`~brain_bundles.transforms.RandContrastPair` for a :class:`TargetDiffusionUNet`.

    The batch holds cached latents. They become the condition of the network, and the rest is done by
    :class:`~brain_bundles.engines.LatentDiffusionPrepareBatch`.

    Args:
        scheduler: noise schedule of the training.
        autoencoder: its MS-SPADE makes the target-like latents; on the device of the training.
        precision: precision of MS-SPADE: fp32, bf16, fp16 or auto.
        relative_error: with ``preconditioning``, count the error of a pair relative to the error of its own target-like
            latent. A mean PSNR is a mean logarithm of errors. Without this option the pairs that MS-SPADE translates
            worst dominate, and the best pairs lose what the others gain.
        **kwargs: arguments of ``LatentDiffusionPrepareBatch``.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        autoencoder: AdaptiveAutoencoder,
        precision: str = "fp32",
        relative_error: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(scheduler, latent_key="label", condition_key=CONDITION, condition_mode="concat", **kwargs)
        self.autoencoder, self.precision, self.relative_error = autoencoder.eval(), precision, relative_error

    def __call__(
        self,
        batchdata: dict[str, Any],  # type: ignore[override]
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, torch.Tensor], tuple, dict[str, Any]]:
        targets = batchdata["target"].tolist()
        source = plain_tensor(batchdata["image_mean"]).float().to(device=device, non_blocking=non_blocking)
        with torch.no_grad(), autocast(self.precision, source.device):
            like = self.autoencoder.target_like(source, targets).float()
        condition = target_condition(like, source, targets, len(self.autoencoder.contrasts))
        latent, target, args, extra = super().__call__(
            {**batchdata, CONDITION: condition}, device, non_blocking, **kwargs
        )
        if self.preconditioning is None or not self.relative_error or not isinstance(target, tuple):
            return latent, target, args, extra
        velocity, weight = target
        estimate = extra["condition"][:, : latent.shape[1]]
        error = (latent - estimate).square().flatten(1).mean(1) / self.preconditioning.std.square().mean()
        # The bound limits the weight of a pair whose target-like latent is almost right.
        relative = error.clamp(min=SMALLEST_RELATIVE_ERROR).view(-1, *(1,) * (latent.ndim - 1))
        return latent, (velocity, weight / relative), args, extra
