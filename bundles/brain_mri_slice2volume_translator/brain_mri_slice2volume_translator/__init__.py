"""Networks of the slice-to-volume translator: the slice network, and the layers that make it volumetric."""

from brain_mri_slice2volume_translator.volumetric_layers import VolumetricAttention, VolumetricConvolution
from brain_mri_slice2volume_translator.volumetric_unet import SlicewiseDiffusionUNet, VolumetricDiffusionUNet

__all__ = ["SlicewiseDiffusionUNet", "VolumetricAttention", "VolumetricConvolution", "VolumetricDiffusionUNet"]
