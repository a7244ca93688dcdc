"""Losses that MONAI lacks or hides behind a download."""

from brain_bundles.losses.kl import KLDivergenceLoss
from brain_bundles.losses.perceptual import make_perceptual_loss

__all__ = ["KLDivergenceLoss", "make_perceptual_loss"]
