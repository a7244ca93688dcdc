"""The segmenter's encoder as an encoder of features: no download, any contrast."""

from __future__ import annotations

import os
from collections.abc import Sequence

from brain_bundles.evaluation.features.network_encoder import NetworkEncoder
from brain_bundles.networks.unet_blocks import encoder_names
from brain_bundles.transforms.scan_segmenter import load_segmenter


def segmenter_encoder(
    path: str | os.PathLike[str] | None = None, *, statistics: Sequence[str] = ("mean", "std")
) -> NetworkEncoder:
    """Averages and standard deviations over space of the maps after each block of the segmenter's encoder.

    Args:
        path: weights of a segmenter; None for those that come with the collection. What a loss has seen must not judge:
            give the weights of the second encoder for models with a perceptual loss.
        statistics: see :class:`NetworkEncoder`.

    Raises:
        FileNotFoundError: without the weights.
    """
    network = load_segmenter(path).network
    return NetworkEncoder(network, encoder_names(network), statistics=statistics, name="segmenter")
