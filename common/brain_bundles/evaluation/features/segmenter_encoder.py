"""The segmenter's encoder as an encoder of features: no download, any contrast."""

from __future__ import annotations

import os

from brain_bundles.evaluation.features.network_encoder import NetworkEncoder
from brain_bundles.networks.unet_blocks import encoder_names
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.segmenter_network import second_encoder_path


def segmenter_encoder(path: str | os.PathLike[str] | None = None, *, name: str = "segmenter") -> NetworkEncoder:
    """Strength of each filter of the segmenter's encoder: logarithms of standard deviations over space.

    They are of the convolutions in all blocks, before the norms, which would take away how strong noise and fine detail
    are.

    Args:
        path: weights of a segmenter; None for those that come with the collection. Losses may use them, and what a
            loss has seen must not judge: :func:`second_encoder` is for that.
        name: name in results.

    Raises:
        FileNotFoundError: without the weights.
    """
    network = load_segmenter(path).network
    layers = [f"{block}.conv" for block in encoder_names(network)]
    return NetworkEncoder(network, layers, statistics=("log_std",), name=name)


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
    return segmenter_encoder(path, name="second encoder")
