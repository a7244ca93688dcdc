"""What is this bundle's own: the slice network, and how it is made volumetric."""

from brain_mri_slice2volume_translator.volumetric_layers import VolumetricAttention, VolumetricConvolution
from brain_mri_slice2volume_translator.volumetric_unet import SlicewiseDiffusionUNet, VolumetricDiffusionUNet

__all__ = ["SlicewiseDiffusionUNet", "VolumetricAttention", "VolumetricConvolution", "VolumetricDiffusionUNet"]
