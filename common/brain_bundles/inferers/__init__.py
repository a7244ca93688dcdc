"""Inferers on top of MONAI's: sampling, and the forward pass of training."""

from brain_bundles.inferers.autocast_diffusion_inferer import AutocastDiffusionInferer
from brain_bundles.inferers.latent_sampler import LatentSampler
from brain_bundles.inferers.reconstruction import ReconstructionInferer

__all__ = ["AutocastDiffusionInferer", "LatentSampler", "ReconstructionInferer"]
