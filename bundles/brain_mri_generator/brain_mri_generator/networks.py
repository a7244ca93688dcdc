"""The sampling network: a diffusion UNet with the hybrid conditioning of Pinaya et al. 2022."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn


class ConditionedDiffusionUNet(nn.Module):
    """Tells a DiffusionModelUNet the covariates twice: as constant channels beside the latent, and as a context token.

    The covariates are so much part of the input that there is no unconditional mode and no classifier-free guidance.

    Args:
        spatial_dims: 2 or 3.
        latent_channels: channels of the noisy latent and of the prediction.
        num_covariates: length of the condition; also the width of the cross-attention.
        covariate_scale: the covariates are multiplied by it. Scaled to [0, 1] by the range of a population they
            vary by 0.12 to 0.22 (one standard deviation), beside latents that vary by 1.
            1 is the published network.
        unet_kwargs: the other arguments of :class:`monai.networks.nets.DiffusionModelUNet`.

    Source: Pinaya et al. 2022, arXiv 2209.07162, section 2.2; hybrid conditioning as in Rombach et al. 2022.
    """

    def __init__(
        self,
        spatial_dims: int,
        latent_channels: int,
        num_covariates: int = 4,
        covariate_scale: float = 1.0,
        **unet_kwargs: Any,
    ) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.num_covariates = num_covariates
        self.covariate_scale = covariate_scale
        self.unet = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=latent_channels + num_covariates,
            out_channels=latent_channels,
            with_conditioning=True,
            cross_attention_dim=num_covariates,
            **unet_kwargs,
        )

    def forward(
        self, x: torch.Tensor, timesteps: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Prediction of the noise, velocity or flow, whichever the network was trained for.

        Args:
            x: noisy latent (B, latent_channels, D, H, W).
            timesteps: (B,); 0 by default.
            context: covariates scaled to [0, 1], (B, 1, num_covariates); the middle of each range by default. The
                defaults are there for tools that feed a network one tensor to check or export it.

        Returns:
            Prediction, shape of ``x``.

        Raises:
            ValueError: if ``context`` does not have that shape.
        """
        if timesteps is None:
            timesteps = torch.zeros(x.shape[0], device=x.device)
        if context is None:
            context = torch.full((x.shape[0], 1, self.num_covariates), 0.5, device=x.device, dtype=x.dtype)
        if context.shape != (x.shape[0], 1, self.num_covariates):
            raise ValueError(
                f"context has shape {tuple(context.shape)}, expected {(x.shape[0], 1, self.num_covariates)}: "
                "one token of scaled covariates per sample."
            )
        context = context * self.covariate_scale
        maps = context[:, 0].reshape(x.shape[0], -1, *(1,) * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
        return self.unet(torch.cat([x, maps.to(x.dtype)], dim=1), timesteps=timesteps, context=context)
