"""Weights that know the names of the contrasts that they are for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

NAME_BYTES = 64


def encode_names(names: Sequence[str]) -> torch.Tensor:
    """Names as bytes (N, NAME_BYTES), uint8, filled up with 0: a checkpoint holds plain tensors.

    Raises:
        ValueError: for a name that is longer.
    """
    encoded = [name.encode() for name in names]
    if long := [name for name, code in zip(names, encoded, strict=True) if len(code) > NAME_BYTES]:
        raise ValueError(f"contrast {long[0]!r} has more than {NAME_BYTES} bytes.")
    return torch.tensor([list(code.ljust(NAME_BYTES, b"\0")) for code in encoded], dtype=torch.uint8)


def decode_names(names: torch.Tensor) -> list[str]:
    """What :func:`encode_names` encoded."""
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in names.tolist()]


def match_contrasts(network: nn.Module, *, source: str, target: str, learning: bool = False) -> nn.Module:
    """``network``, which is for the translation of ``source`` to ``target`` or has not been for any other.

    Args:
        network: with a buffer ``contrast_names`` (2, NAME_BYTES), the source's and the target's; 0 until it is told.
        source: contrast that it is given.
        target: contrast that it makes.
        learning: whether it is about to learn this translation, whichever it was for.

    Raises:
        ValueError: if its weights are for other contrasts and it does not learn; they would fit, and give one contrast
            under the name of another.
    """
    known = network.get_buffer("contrast_names")
    if not learning and bool(known.any()) and (trained := decode_names(known)) != [source, target]:
        raise ValueError(
            f"the weights translate {' to '.join(trained)}, not {source} to {target}; train them on with every stage, "
            "or take weights of these contrasts."
        )
    known.copy_(encode_names([source, target]))
    return network
