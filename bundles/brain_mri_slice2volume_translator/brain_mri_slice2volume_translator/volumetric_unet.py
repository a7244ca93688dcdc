"""2D diffusion UNets on volumes: slice by slice, and made volumetric (Zhu et al. 2023)."""

from __future__ import annotations

import copy

import torch
from brain_bundles.utils import Recipe
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from torch import nn

from brain_mri_slice2volume_translator.volumetric_layers import (
    VolumetricAttention,
    VolumetricConvolution,
    VolumetricLayer,
)


class SlicewiseDiffusionUNet(nn.Module):
    """A 2D network that takes single slices, and volumes slice by slice.

    Args:
        slice_network: a MONAI ``DiffusionModelUNet`` with ``spatial_dims=2``; it becomes ``unet``.

    Raises:
        ValueError: if the network is not 2D or has no residual block.
    """

    def __init__(self, slice_network: DiffusionModelUNet) -> None:
        super().__init__()
        blocks = residual_blocks(slice_network)
        if not blocks:
            raise ValueError(f"{type(slice_network).__name__} has no residual block of MONAI's DiffusionModelUNet.")
        if any(block.spatial_dims != 2 for block in blocks):
            raise ValueError("the slice network must have spatial_dims 2.")
        self.unet = slice_network
        self.recipe = Recipe()

    def forward(
        self,
        x: torch.Tensor,
        timesteps: torch.Tensor | None = None,
        context: torch.Tensor | None = None,
        class_labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Prediction of the noise, velocity or flow, whichever the network was trained for.

        Args:
            x: noisy target latents beside source latents (B, C, S, H, W), S slices; or single slices (B, C, H, W).
            timesteps: (B,), one for all slices of a volume; 0 by default, for tools that feed a network one tensor.
            context: tokens for cross-attention (B, T, K), the same for all slices; for networks trained with them.
            class_labels: (B,), the same for all slices; for networks with ``num_class_embeds``.

        Returns:
            Prediction, (B, C', S, H, W) or (B, C', H, W).

        Raises:
            ValueError: if ``x`` has another number of axes.
        """
        if x.ndim not in (4, 5):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected volumes (B, C, S, H, W) or slices (B, C, H, W).")
        volumes = x if x.ndim == 5 else x.unsqueeze(2)
        batch, channels, num_slices, height, width = volumes.shape
        if timesteps is None:
            timesteps = torch.zeros(batch, device=x.device)
        self._set_num_slices(num_slices)
        slices = volumes.transpose(1, 2).reshape(batch * num_slices, channels, height, width)
        conditions = {
            name: value.repeat_interleave(num_slices, dim=0)
            for name, value in {"context": context, "class_labels": class_labels}.items()
            if value is not None
        }
        prediction = self.unet(slices, timesteps.repeat_interleave(num_slices, dim=0), **conditions)
        unfolded = prediction.reshape(batch, num_slices, -1, height, width).transpose(1, 2)
        return unfolded if x.ndim == 5 else unfolded.squeeze(2)

    def _set_num_slices(self, num_slices: int) -> None:
        """Set the number of slices of a volume in the layers along the slices; there are none here."""


class VolumetricDiffusionUNet(SlicewiseDiffusionUNet):
    """A 2D network whose residual blocks also mix neighbouring slices.

    Each residual block gets two volumetric convolutions: after its first convolution, and after its second one before
    the skip is added. They start as the identity, so that the new network gives the result of the slice network on
    every slice. All slices of a volume share its time step.

    Args:
        slice_network: a MONAI ``DiffusionModelUNet`` with ``spatial_dims=2``, or the :class:`SlicewiseDiffusionUNet`
            around one, with its trained weights. It is changed in place.
        kernel_size: of the volumetric convolutions, slices.
        volumetric_attention: also let every pixel attend along the slices, after each second convolution.
        train_all: train everything; otherwise the slice network is frozen and only the volumetric layers train.

    Raises:
        ValueError: if the network is not 2D, has no residual block, or is volumetric already.

    Source: Zhu et al. 2023, arXiv:2307.10094, section 2 (volumetric layer, fine-tuning).
    """

    def __init__(
        self,
        slice_network: DiffusionModelUNet | SlicewiseDiffusionUNet,
        *,
        kernel_size: int = 3,
        volumetric_attention: bool = False,
        train_all: bool = False,
    ) -> None:
        super().__init__(slice_network.unet if isinstance(slice_network, SlicewiseDiffusionUNet) else slice_network)
        if self.volumetric_layers():
            raise ValueError("the slice network has volumetric layers already; give the network of the slices.")
        self.unet.requires_grad_(train_all)
        reference = next(self.unet.parameters())
        for block in residual_blocks(self.unet):
            # MONAI's convolutions are sequences, so an appended layer runs right after the convolution, and every
            # weight of the slice network keeps its name.
            for convolution in (block.conv1, block.conv2):
                convolution.add_module("volumetric", VolumetricConvolution(block.out_channels, kernel_size))
            if volumetric_attention:
                block.conv2.add_module(
                    "volumetric_attention", VolumetricAttention(block.out_channels, block.norm2.num_groups)
                )
        self.to(device=reference.device, dtype=reference.dtype)

    def volumetric_layers(self) -> list[VolumetricLayer]:
        """The inserted layers, in the order of the network."""
        return [module for module in self.modules() if isinstance(module, VolumetricLayer)]

    def to_slices(self) -> SlicewiseDiffusionUNet:
        """A copy of the slice network, without the inserted layers and with the interface of volumes."""
        unet = copy.deepcopy(self.unet)
        for block in residual_blocks(unet):
            for convolution in (block.conv1, block.conv2):
                for name in [
                    name for name, layer in convolution.named_children() if isinstance(layer, VolumetricLayer)
                ]:
                    delattr(convolution, name)
        slices = SlicewiseDiffusionUNet(unet)
        slices.recipe.values = dict(self.recipe.values)
        return slices

    def _set_num_slices(self, num_slices: int) -> None:
        for layer in self.volumetric_layers():
            layer.num_slices = num_slices


def residual_blocks(network: nn.Module) -> list[DiffusionUNetResnetBlock]:
    """The residual blocks of a MONAI diffusion UNet, in the order of the network."""
    return [module for module in network.modules() if isinstance(module, DiffusionUNetResnetBlock)]
