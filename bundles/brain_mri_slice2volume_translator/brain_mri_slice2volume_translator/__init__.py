"""What is this bundle's own: the slice network made volumetric."""

from brain_mri_slice2volume_translator.volumetric_layers import VolumetricAttention, VolumetricConvolution
from brain_mri_slice2volume_translator.volumetric_unet import VolumetricDiffusionUNet

__all__ = ["VolumetricAttention", "VolumetricConvolution", "VolumetricDiffusionUNet"]
