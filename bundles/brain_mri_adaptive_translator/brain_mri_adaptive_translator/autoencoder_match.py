"""Match of a diffusion network with the autoencoder, and the MS-SPADE, that it was trained with."""

from __future__ import annotations

import torch
from brain_bundles.utils.fingerprint import weights_fingerprint
from torch import nn

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder


def remember_autoencoder(network: nn.Module, autoencoder: AdaptiveAutoencoder) -> nn.Module:
    """Store the fingerprint of the autoencoder in ``network``, a :class:`TargetDiffusionUNet`; return ``network``."""
    network.get_buffer("autoencoder_fingerprint").copy_(_fingerprint(autoencoder))
    return network


def require_autoencoder(network: nn.Module, autoencoder: AdaptiveAutoencoder) -> nn.Module:
    """Return ``network`` if it was trained with this autoencoder, or has no fingerprint.

    Raises:
        ValueError: if it was trained with another autoencoder. Each stage writes over the weights of the stage before,
            and a network that corrects one MS-SPADE spoils the results of another.
    """
    known = network.get_buffer("autoencoder_fingerprint").cpu()
    if bool(known.any()) and not torch.equal(known, _fingerprint(autoencoder)):
        raise ValueError(
            "the diffusion model was trained with another autoencoder or MS-SPADE than the one in autoencoder.pt; "
            "continue its training with train.json and initial_weights, or use the two files that belong together."
        )
    return network


def _fingerprint(autoencoder: AdaptiveAutoencoder) -> torch.Tensor:
    """(16,) uint8."""
    return torch.tensor(list(weights_fingerprint(autoencoder)), dtype=torch.uint8)
