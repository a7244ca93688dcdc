"""Networks on top of MONAI's, for all three bundles."""

from brain_bundles.networks.latent_autoencoder_kl import LatentAutoencoderKL
from brain_bundles.networks.loading import load_weights
from brain_bundles.networks.precision import autocast, resolve_precision

__all__ = ["LatentAutoencoderKL", "autocast", "load_weights", "resolve_precision"]
