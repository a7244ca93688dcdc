"""Names of the contrasts of a translation, stored in the network's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

NAME_BYTES = 64


def encode_names(names: Sequence[str]) -> torch.Tensor:
    """Names as bytes (N, NAME_BYTES), uint8, filled up with 0: a checkpoint holds plain tensors.

    Raises:
        ValueError: for a name of more bytes.
    """
    encoded = [name.encode() for name in names]
    if long := [name for name, code in zip(names, encoded, strict=True) if len(code) > NAME_BYTES]:
        raise ValueError(f"contrast {long[0]!r} has more than {NAME_BYTES} bytes.")
    return torch.tensor([list(code.ljust(NAME_BYTES, b"\0")) for code in encoded], dtype=torch.uint8)


def decode_names(names: torch.Tensor) -> list[str]:
    """Names from the bytes of :func:`encode_names`."""
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in names.tolist()]


def match_contrasts(network: nn.Module, *, source: str, target: str, learning: bool = False) -> nn.Module:
    """Check that ``network`` is for the translation of ``source`` to ``target``, store both names in it, return it.

    Args:
        network: has a buffer ``contrast_names`` (2, NAME_BYTES), for source and target; 0 until they are set.
        source: contrast of the input.
        target: contrast of the output.
        learning: the network will learn this translation, so replace the names of any other one.

    Raises:
        ValueError: if the weights are for other contrasts and ``learning`` is false. They would load, and give one
            contrast under the name of another.
    """
    known = network.get_buffer("contrast_names")
    if not learning and bool(known.any()) and (trained := decode_names(known)) != [source, target]:
        raise ValueError(
            f"the weights translate {' to '.join(trained)}, not {source} to {target}; continue their training in "
            "every stage, or use weights for these contrasts."
        )
    known.copy_(encode_names([source, target]))
    return network
