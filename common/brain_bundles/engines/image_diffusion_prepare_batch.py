"""Batches of a diffusion training on images, without an autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.schedulers import Scheduler

from brain_bundles.engines.prepare_batch import LatentDiffusionPrepareBatch
from brain_bundles.networks.latent_statistics import LatentStatistics
from brain_bundles.utils.plain_tensor import plain_tensor


class ImageDiffusionPrepareBatch(LatentDiffusionPrepareBatch):
    """Prepare pairs of images for a network that denoises the target with the source as further channels.

    A batch holds ``image``, ``label`` (B, 1, D, H, W) or (B, 1, H, W) in [0, 1], and ``sample_seed`` (B,). The images
    are normalised, and the rest is done by :class:`LatentDiffusionPrepareBatch`.

    Args:
        scheduler: noise schedule of the training.
        space: normalises images, such as :class:`~brain_bundles.networks.ImageSpace`.
        prediction_type: see :class:`LatentDiffusionPrepareBatch`.
        **kwargs: further arguments of ``LatentDiffusionPrepareBatch``.

    Source: Saharia et al. 2022, arXiv:2111.05826, equation 3.
    """

    def __init__(
        self, scheduler: Scheduler, space: LatentStatistics, prediction_type: str = "epsilon", **kwargs: Any
    ) -> None:
        super().__init__(
            scheduler,
            prediction_type,
            latent_key="label",
            condition_key="image_mean",
            condition_mode="concat",
            **kwargs,
        )
        self.space = space

    def __call__(
        self,
        batchdata: dict[str, Any],  # type: ignore[override]
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, torch.Tensor], tuple, dict[str, Any]]:
        moments: dict[str, torch.Tensor] = {}
        for key in ("image", "label"):
            mean, sigma = self.space.encode_moments(plain_tensor(batchdata[key]).float())
            moments |= {f"{key}_mean": mean, f"{key}_sigma": sigma}
        return super().__call__({**batchdata, **moments}, device, non_blocking, **kwargs)
