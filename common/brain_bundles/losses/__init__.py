"""Losses that MONAI lacks or hides behind a download."""

from brain_bundles.losses.error_weights import channel_weights, inverse_variance_weights
from brain_bundles.losses.kl import KLDivergenceLoss
from brain_bundles.losses.perceptual import make_perceptual_loss
from brain_bundles.losses.weighted_mse import WeightedMSELoss, batch_size

__all__ = [
    "KLDivergenceLoss",
    "WeightedMSELoss",
    "batch_size",
    "channel_weights",
    "inverse_variance_weights",
    "make_perceptual_loss",
]
