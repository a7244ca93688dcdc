"""The segmenter's encoder as an encoder of features: no download, any contrast."""

from __future__ import annotations

import os
from collections.abc import Sequence

from brain_bundles.evaluation.features.network_encoder import NetworkEncoder
from brain_bundles.networks.unet_blocks import encoder_names
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.segmenter_network import second_encoder_path


def segmenter_encoder(
    path: str | os.PathLike[str] | None = None, *, statistics: Sequence[str] = ("mean", "std")
) -> NetworkEncoder:
    """Averages and standard deviations over space of the maps after each block of the segmenter's encoder.

    Args:
        path: weights of a segmenter; None for those that come with the collection. Losses may use them, and what a
            loss has seen must not judge: :func:`second_encoder` is for that.
        statistics: see :class:`NetworkEncoder`.

    Raises:
        FileNotFoundError: without the weights.
    """
    network = load_segmenter(path).network
    return NetworkEncoder(network, encoder_names(network), statistics=statistics, name="segmenter")


def second_encoder() -> NetworkEncoder:
    """Features as of :func:`segmenter_encoder` by the weights that no loss uses: the judge of generated images.

    They were trained as the segmenter's, with another seed and another width.

    Raises:
        FileNotFoundError: without the weights.
    """
    path = second_encoder_path()
    if path is None:
        raise FileNotFoundError(
            "this installation has no weights of the second encoder: models/second_encoder.pt of brain_mri_segmenter."
        )
    network = load_segmenter(path).network
    return NetworkEncoder(network, encoder_names(network), statistics=("mean", "std"), name="second encoder")
