"""Sampling network: a 3D diffusion UNet with the target contrast as cross-attention token."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.utils import Recipe
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from brain_mri_adaptive_translator.ms_spade import Targets
from brain_mri_adaptive_translator.residual_preconditioning import ResidualPreconditioning


class TargetDiffusionUNet(nn.Module):
    """Denoise the latent of a target contrast, given a target-like latent and the source's latent.

    The input has four parts along the channels: the noisy latent, the target-like latent, the source's latent, and one
    map per contrast, 1 everywhere for the target and 0 for the others. :func:`target_condition` makes the last three.
    The maps become one cross-attention token and are not convolved. So the network is a plain ``forward(x, timesteps)``
    for every inferer that concatenates its condition, and for export.

    Args:
        spatial_dims: 2 or 3.
        latent_channels: channels of a latent, and of the prediction.
        num_contrasts: number of maps; also the width of the cross-attention.
        preconditioning: the network then predicts the velocity, and learns the residual of the target-like latent;
            None, without ``use_source``, is the network of the paper's figure.
        use_source: use the source's latent too. Without it, details that the target-like latent has lost cannot be
            recovered; the paper's figure has the target-like latent only.
        unet_kwargs: the other arguments of :class:`monai.networks.nets.DiffusionModelUNet`.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2b.
    """

    def __init__(
        self,
        spatial_dims: int,
        latent_channels: int,
        num_contrasts: int,
        preconditioning: ResidualPreconditioning | None = None,
        use_source: bool = True,
        **unet_kwargs: Any,
    ) -> None:
        super().__init__()
        self.latent_channels, self.num_contrasts = latent_channels, num_contrasts
        self.preconditioning, self.use_source = preconditioning, use_source
        self.recipe = Recipe()
        self.unet = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=(3 if use_source else 2) * latent_channels,
            out_channels=latent_channels,
            with_conditioning=True,
            cross_attention_dim=num_contrasts,
            **unet_kwargs,
        )

    def forward(
        self, x: torch.Tensor, timesteps: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Prediction (B, latent_channels, D, H, W) of the noise, velocity or flow.

        Args:
            x: (B, 3 latent_channels + num_contrasts, D, H, W).
            timesteps: (B,); 0 by default, for tools that feed a network one tensor to check or export it.
            context: None; MONAI's inferers pass it.

        Raises:
            ValueError: for another number of channels, or a context.
        """
        if context is not None:
            raise ValueError("the target contrast belongs in the last channels of x, not in context.")
        expected = 3 * self.latent_channels + self.num_contrasts
        if x.shape[1] != expected:
            raise ValueError(
                f"x has {x.shape[1]} channels, expected {expected}: the noisy latent, the target-like latent, the "
                "source's latent and one map per contrast."
            )
        if timesteps is None:
            timesteps = torch.zeros(x.shape[0], device=x.device)
        *latents, maps = x.split([self.latent_channels] * 3 + [self.num_contrasts], dim=1)
        token = maps.flatten(2)[:, :, 0][:, None]
        noisy, *known = latents if self.use_source else latents[:2]
        if self.preconditioning is None:
            return self.unet(torch.cat([noisy, *known], dim=1), timesteps=timesteps, context=token)
        inputs, c_out, skip = self.preconditioning.split(noisy, known, timesteps)
        return skip + c_out * self.unet(inputs, timesteps=timesteps, context=token)


def target_condition(
    target_like: torch.Tensor, source: torch.Tensor, targets: Targets, num_contrasts: int
) -> torch.Tensor:
    """Make the condition of a :class:`TargetDiffusionUNet`.

    Args:
        target_like: target-like latents (B, C, D, H, W).
        source: latents of the sources, of the same shape.
        targets: target contrast of each latent, (B,).
        num_contrasts: number of contrasts.

    Returns:
        (B, 2 C + num_contrasts, D, H, W).
    """
    return torch.cat([target_like, source, target_maps(targets, num_contrasts, target_like)], dim=1)


def target_maps(targets: Targets, num_contrasts: int, like: torch.Tensor) -> torch.Tensor:
    """One map per contrast, 1 everywhere for the target and 0 for the others, (B, num_contrasts, D, H, W).

    Args:
        targets: target contrast of each item, (B,).
        num_contrasts: number of contrasts.
        like: tensor (B, C, D, H, W) with the size, type and device of the maps.
    """
    maps = nn.functional.one_hot(torch.as_tensor(targets), num_contrasts).to(like)
    return maps.view(*maps.shape, *(1,) * (like.ndim - 2)).expand(-1, -1, *like.shape[2:])
