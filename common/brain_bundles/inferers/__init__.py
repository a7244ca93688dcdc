"""Inferers on top of MONAI's: sampling, and the forward pass of training."""

from brain_bundles.inferers.autocast_diffusion_inferer import AutocastDiffusionInferer

__all__ = ["AutocastDiffusionInferer"]
