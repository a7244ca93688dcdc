"""What is this bundle's own: its sampling network."""

from brain_mri_generator.networks import ConditionedDiffusionUNet

__all__ = ["ConditionedDiffusionUNet"]
