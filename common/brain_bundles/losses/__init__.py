"""Losses that MONAI lacks or hides behind a download."""

from brain_bundles.losses.inverse_variance import InverseVarianceMSELoss
from brain_bundles.losses.kl import KLDivergenceLoss
from brain_bundles.losses.perceptual import make_perceptual_loss

__all__ = [
    "InverseVarianceMSELoss",
    "KLDivergenceLoss",
    "make_perceptual_loss",
]
