"""Losses that MONAI lacks, hides behind a download or computes slowly."""

from brain_bundles.losses.dice_ce import DiceCELoss
from brain_bundles.losses.error_weights import channel_weights, inverse_variance_weights
from brain_bundles.losses.kl import KLDivergenceLoss
from brain_bundles.losses.perceptual import make_perceptual_loss
from brain_bundles.losses.weighted_mse import WeightedMSELoss, batch_size

__all__ = [
    "DiceCELoss",
    "KLDivergenceLoss",
    "WeightedMSELoss",
    "batch_size",
    "channel_weights",
    "inverse_variance_weights",
    "make_perceptual_loss",
]
