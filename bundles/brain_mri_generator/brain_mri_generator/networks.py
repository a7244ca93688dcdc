"""Sampling network: a diffusion UNet with the hybrid conditioning of Pinaya et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from brain_bundles.networks import VelocityPreconditioning
from brain_bundles.utils import Recipe
from monai.networks.blocks.pos_embed_utils import build_fourier_position_embedding
from monai.networks.nets import DiffusionModelUNet
from torch import nn


class ConditionedDiffusionUNet(nn.Module):
    """DiffusionModelUNet with the covariates as constant channels beside the latent, and as a context token.

    Args:
        spatial_dims: 2 or 3.
        latent_channels: channels of the noisy latent and of the prediction.
        num_covariates: length of the condition; also the width of the cross-attention.
        covariate_scale: factor of the covariates. Scaled to [0, 1] by the range of a population, they have standard
            deviations of 0.12 to 0.22, beside latents with one of 1. 1 is the published network.
        position_channels: channels of a learned map of positions beside the latent, an even number. Brains are centred
            on their grid, so a short training learns the anatomy of a place from the map; convolutions alone would have
            to find the place first. 0 is the published network.
        position_size: spatial size of that map and of all latents.
        preconditioning: for latents whose channels differ in scale; None is the published network.
        unconditional: learn a value for each covariate that is not given, NaN in the context. A training with
            ``condition_dropout`` needs it, and so does classifier-free guidance. False is the published network.
        unet_kwargs: the other arguments of :class:`monai.networks.nets.DiffusionModelUNet`.

    Raises:
        ValueError: if ``position_channels`` is odd, or given without ``position_size``; in a pass, for latents of
            another size than ``position_size``.

    Source: Pinaya et al. 2022, arXiv 2209.07162, section 2.2; hybrid conditioning as in Rombach et al. 2022; learned
    positions as in Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.1, from Fourier features at the start; a
    learned value for no condition as in Ho and Salimans 2022, arXiv 2207.12598.
    """

    def __init__(
        self,
        spatial_dims: int,
        latent_channels: int,
        num_covariates: int = 4,
        covariate_scale: float = 1.0,
        position_channels: int = 0,
        position_size: Sequence[int] | None = None,
        preconditioning: VelocityPreconditioning | None = None,
        unconditional: bool = False,
        **unet_kwargs: Any,
    ) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.num_covariates = num_covariates
        self.covariate_scale = covariate_scale
        self.preconditioning = preconditioning
        self.recipe = Recipe()
        # Before training beyond the range of every covariate, which is [0, 1].
        self.not_given = nn.Parameter(torch.full((num_covariates,), -1.0)) if unconditional else None
        self.position: nn.Parameter | None = None
        if position_channels:
            if position_size is None or len(position_size) != spatial_dims or position_channels % 2:
                raise ValueError(
                    f"position_channels must be even and come with a position_size of {spatial_dims} numbers, got "
                    f"{position_channels} and {position_size}."
                )
            features = build_fourier_position_embedding(list(position_size), position_channels, spatial_dims)
            self.position = nn.Parameter(features.detach().transpose(1, 2).unflatten(2, tuple(position_size)))
        self.unet = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=latent_channels + num_covariates + position_channels,
            out_channels=latent_channels,
            with_conditioning=True,
            cross_attention_dim=num_covariates,
            **unet_kwargs,
        )

    @property
    def edges(self) -> tuple[str, ...]:
        """Beginnings of the names of first and last layers and of the map of positions, see ``muon_groups``."""
        return ("unet.conv_in.", "unet.out.", "position")

    def forward(
        self, x: torch.Tensor, timesteps: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Prediction of the noise, velocity or flow, whichever the network was trained for.

        Args:
            x: noisy latent (B, latent_channels, D, H, W).
            timesteps: (B,); 0 by default.
            context: covariates scaled to [0, 1], (B, 1, num_covariates), NaN where one is not given; the middle of
                each range by default. The defaults serve tools that feed a network one tensor to check or export it.

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
        if self.not_given is not None:
            context = torch.where(context.isnan(), self.not_given.to(context.dtype), context)
        context = context * self.covariate_scale
        maps = context[:, 0].reshape(x.shape[0], -1, *(1,) * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
        channels = [x, maps.to(x.dtype)]
        if self.position is not None:
            channels.append(self._position_of(x).to(x.dtype))
        if self.preconditioning is None:
            return self.unet(torch.cat(channels, dim=1), timesteps=timesteps, context=context)
        c_in, c_skip, c_out = (c.to(x.dtype) for c in self.preconditioning.coefficients(timesteps, x.ndim))
        channels[0] = c_in * x
        return c_skip * x + c_out * self.unet(torch.cat(channels, dim=1), timesteps=timesteps, context=context)

    def _position_of(self, x: torch.Tensor) -> torch.Tensor:
        """The learned map for every sample of ``x``, (B, position_channels, D, H, W)."""
        assert self.position is not None
        size, own = ([int(n) for n in tensor.shape[2:]] for tensor in (x, self.position))  # numbers, also in a trace
        if size != own:
            raise ValueError(
                f"latents have the size {size}, the map of positions {own}: the "
                "network works on the grid of its training; for others train one with position_channels 0."
            )
        return self.position.expand(x.shape[0], -1, *x.shape[2:])
