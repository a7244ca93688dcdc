"""A diffusion network belongs to the autoencoder, and the MS-SPADE, that it was trained beside."""

from __future__ import annotations

import torch
from brain_bundles.utils.fingerprint import weights_fingerprint
from torch import nn

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder


def remember_autoencoder(network: nn.Module, autoencoder: AdaptiveAutoencoder) -> nn.Module:
    """``network``, a :class:`TargetDiffusionUNet`, which now knows the autoencoder that it is trained beside."""
    network.get_buffer("autoencoder_fingerprint").copy_(_fingerprint(autoencoder))
    return network


def require_autoencoder(network: nn.Module, autoencoder: AdaptiveAutoencoder) -> nn.Module:
    """``network``, if it was trained beside this autoencoder, or does not know beside which.

    Raises:
        ValueError: if it was another: each stage writes over the weights of the one before, and a network that corrects
            one MS-SPADE spoils the results of another.
    """
    known = network.get_buffer("autoencoder_fingerprint").cpu()
    if bool(known.any()) and not torch.equal(known, _fingerprint(autoencoder)):
        raise ValueError(
            "the diffusion model was trained beside another autoencoder or MS-SPADE than the one in autoencoder.pt; "
            "train it on with train.json and initial_weights, or take the two files that belong together."
        )
    return network


def _fingerprint(autoencoder: AdaptiveAutoencoder) -> torch.Tensor:
    """(16,) uint8."""
    return torch.tensor(list(weights_fingerprint(autoencoder)), dtype=torch.uint8)
