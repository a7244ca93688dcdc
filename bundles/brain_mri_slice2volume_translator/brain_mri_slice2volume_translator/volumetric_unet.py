"""Any 2D diffusion UNet made volumetric (Zhu et al. 2023)."""

from __future__ import annotations

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from torch import nn

from brain_mri_slice2volume_translator.volumetric_layers import (
    VolumetricAttention,
    VolumetricConvolution,
    VolumetricLayer,
)


class VolumetricDiffusionUNet(nn.Module):
    """A 2D network whose residual blocks also mix neighbouring slices.

    Each residual block gets two volumetric convolutions: after its first convolution, and after its second one before
    the skip is added. They start as the identity, so that the new network computes what the slice network computes on
    every slice. All slices of a volume share its time step.

    Args:
        slice_network: a MONAI ``DiffusionModelUNet`` with ``spatial_dims=2``, with its trained weights; it is changed
            in place and becomes ``unet``.
        kernel_size: of the volumetric convolutions, slices.
        volumetric_attention: also let every pixel attend along the slices, after each second convolution.
        num_head_channels: width of one head of that attention.
        norm_num_groups: groups of the normalisation before that attention.
        train_all: train everything; otherwise the slice network is frozen and only the volumetric layers train.

    Raises:
        ValueError: if the network is not 2D, has no residual block, or is volumetric already.

    Source: Zhu et al. 2023, arXiv:2307.10094, section 2 (volumetric layer, fine-tuning).
    """

    def __init__(
        self,
        slice_network: DiffusionModelUNet,
        *,
        kernel_size: int = 3,
        volumetric_attention: bool = False,
        num_head_channels: int = 32,
        norm_num_groups: int = 32,
        train_all: bool = False,
    ) -> None:
        super().__init__()
        blocks = [module for module in slice_network.modules() if isinstance(module, DiffusionUNetResnetBlock)]
        if not blocks:
            raise ValueError(f"{type(slice_network).__name__} has no residual block of MONAI's DiffusionModelUNet.")
        if any(block.spatial_dims != 2 for block in blocks):
            raise ValueError("the slice network must have spatial_dims 2.")
        if any(isinstance(module, VolumetricLayer) for module in slice_network.modules()):
            raise ValueError("the slice network has volumetric layers already; give the network of the slices.")
        slice_network.requires_grad_(train_all)
        for block in blocks:
            # MONAI's convolutions are sequences, so what is appended to one runs right after it, and every weight of
            # the slice network keeps its name.
            for convolution in (block.conv1, block.conv2):
                convolution.add_module("volumetric", VolumetricConvolution(block.out_channels, kernel_size))
            if volumetric_attention:
                attention = VolumetricAttention(block.out_channels, num_head_channels, norm_num_groups)
                block.conv2.add_module("attention", attention)
        self.unet = slice_network
        reference = next(slice_network.parameters())
        self.to(device=reference.device, dtype=reference.dtype)

    def volumetric_layers(self) -> list[VolumetricLayer]:
        """The inserted layers, in the order of the network."""
        return [module for module in self.modules() if isinstance(module, VolumetricLayer)]

    def reset_to_slices(self) -> VolumetricDiffusionUNet:
        """Make every volumetric layer the identity again: the slice network, with the interface of volumes."""
        for layer in self.volumetric_layers():
            layer.reset_to_identity()
        return self

    def forward(
        self, x: torch.Tensor, timesteps: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Prediction of the noise, velocity or flow, whichever the network was trained for.

        Args:
            x: noisy target latents beside source latents (B, C, S, H, W), S slices.
            timesteps: (B,), one for all slices of a volume; 0 by default, for tools that feed a network one tensor.
            context: tokens for cross-attention (B, T, K), the same for all slices; for networks trained with them.

        Returns:
            Prediction (B, C', S, H, W).

        Raises:
            ValueError: if ``x`` is not a batch of volumes.
        """
        if x.ndim != 5:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected volumes (B, C, S, H, W).")
        batch, channels, num_slices = x.shape[:3]
        if timesteps is None:
            timesteps = torch.zeros(batch, device=x.device)
        for layer in self.volumetric_layers():
            layer.num_slices = num_slices
        slices = x.transpose(1, 2).reshape(batch * num_slices, channels, *x.shape[3:])
        per_slice = [
            None if value is None else value.repeat_interleave(num_slices, dim=0) for value in (timesteps, context)
        ]
        prediction = self.unet(slices, per_slice[0], context=per_slice[1])
        return prediction.reshape(batch, num_slices, *prediction.shape[1:]).transpose(1, 2)
