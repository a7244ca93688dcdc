"""Weights, looked at without running what a pickle may hold."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors")
_HEADER = 100 << 20


def shapes_of_weights(content: bytes, name: str) -> dict[str, tuple[int, ...]]:
    """Shape by name of a state dict.

    Raises:
        ValueError: if the file holds anything but plain tensors, or cannot be read.
    """
    if name.lower().endswith(".safetensors"):
        return _shapes_of_safetensors(content)
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds: unpickling, zip, end of file
        first = next((line for line in str(error).splitlines() if "nsupported" in line or "GLOBAL" in line), str(error))
        raise ValueError(f"is not a file of plain tensors ({first.strip()[:200]})") from error
    if isinstance(found, Mapping) and isinstance(found.get("model"), Mapping):
        found = found["model"]  # a form that the zoo tolerates
    if not isinstance(found, Mapping):
        raise ValueError(f"holds a {type(found).__name__}, expected tensors by name")
    if other := [key for key, value in found.items() if not isinstance(value, torch.Tensor)]:
        raise ValueError(f"holds something else than tensors under {other[0]!r}")
    return {str(key): tuple(value.shape) for key, value in found.items()}


def _shapes_of_safetensors(content: bytes) -> dict[str, tuple[int, ...]]:
    try:
        size = int.from_bytes(content[:8], "little")
        if size > min(_HEADER, len(content) - 8):
            raise ValueError("cut off")
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        end = max((part["data_offsets"][1] for key, part in header.items() if key != "__metadata__"), default=0)
        if end != len(content) - 8 - size:
            raise ValueError("cut off")
        return {key: tuple(part["shape"]) for key, part in header.items() if key != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"is not a whole file of safetensors ({error})") from error


def misfits(shapes: Mapping[str, tuple[int, ...]], network: nn.Module, show: int = 3) -> str | None:
    """How weights do not fit a network, the first few of each kind; None if they do."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    missing = [name for name in expected if name not in shapes]
    unknown = [name for name in shapes if name not in expected]
    wrong = [
        f"{name} {list(shapes[name])} for {list(expected[name])}"
        for name in expected
        if name in shapes and shapes[name] != expected[name]
    ]
    parts = [
        f"{len(names)} {kind}: {', '.join(names[:show])}{', ...' if len(names) > show else ''}"
        for kind, names in (("missing", missing), ("unknown", unknown), ("of another shape", wrong))
        if names
    ]
    return "; ".join(parts) or None
