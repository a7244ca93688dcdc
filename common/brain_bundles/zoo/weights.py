"""Weights, looked at without running what a pickle may hold."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import torch

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors")
_HEADER = 100 << 20


def tensors_of_weights(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """The state dict of a file; of safetensors names and shapes alone, on the meta device.

    Raises:
        ValueError: if the file holds anything but plain tensors, or cannot be read.
    """
    if name.lower().endswith(".safetensors"):
        return _safetensors(content)
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
    return {str(key): value for key, value in found.items()}


def _safetensors(content: bytes) -> dict[str, torch.Tensor]:
    try:
        size = int.from_bytes(content[:8], "little")
        if size > min(_HEADER, len(content) - 8):
            raise ValueError("cut off")
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        end = max((part["data_offsets"][1] for key, part in header.items() if key != "__metadata__"), default=0)
        if end != len(content) - 8 - size:
            raise ValueError("cut off")
        return {key: torch.empty(part["shape"], device="meta") for key, part in header.items() if key != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise ValueError(f"is not a whole file of safetensors ({error})") from error
