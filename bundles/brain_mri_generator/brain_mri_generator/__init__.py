"""Sampling network of the brain generator."""

from brain_mri_generator.networks import ConditionedDiffusionUNet

__all__ = ["ConditionedDiffusionUNet"]
