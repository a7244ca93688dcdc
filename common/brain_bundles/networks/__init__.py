"""Networks on top of MONAI's, for all three bundles."""

from brain_bundles.networks.latent_autoencoder_kl import LatentAutoencoderKL

__all__ = ["LatentAutoencoderKL"]
