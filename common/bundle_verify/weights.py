"""Checks of weights and other files for code, without running any pickle."""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import torch

_HEADER = 100 << 20
# The opcodes of a pickle that run something.
_CALLS = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})


def tensors_of_weights(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """State dict of a file. For safetensors: only names and shapes, on the meta device.

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
        raise ValueError(f"holds something other than tensors under {other[0]!r}")
    return {str(key): value for key, value in found.items()}


def problem_with_data(content: bytes) -> str | None:
    """Problem with a data file that can hold code under any name, None if no known kind of code is found."""
    if content.startswith((b"PK\3\4", b"PK\5\6")) or zipfile.is_zipfile(io.BytesIO(content)):
        return "is a zip, which can hold code"  # also with other bytes in front: Python imports from it
    if content.startswith(b"\x93NUMPY") and re.search(rb"'descr':[^}]*O", content[:1000]):
        return "is an array of objects, which is a pickle"
    return "is a pickle, which can run code" if _calls_something(content) else None


def code_beside_tensors(content: bytes, endings: tuple[str, ...]) -> str | None:
    """First file of code in weights that are a zip, such as those of ``torch.save``; Python imports from any zip."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return next((name for name in archive.namelist() if name.lower().endswith(endings)), None)


def _calls_something(content: bytes) -> bool:
    """Return True if the bytes, read as a pickle, reach an opcode that runs something. A text stops before it."""
    depth = 0
    marks: list[int] = []
    try:
        for step, argument, _ in pickletools.genops(content):
            needed = len(step.stack_before)
            if pickletools.markobject in step.stack_before:
                depth, needed = marks.pop(), step.stack_before.index(pickletools.markobject)
            depth -= needed
            if depth < 0 or (step.name == "INST" and not re.fullmatch(r"[\w.]+ [\w.]+", str(argument))):
                return False
            if step.name in _CALLS:
                return True
            if step.name == "MARK":
                marks.append(depth)
            else:
                depth += len(step.stack_after)
    except Exception:  # of many kinds: the bytes are not a pickle, or no longer one from here on
        return False
    return False


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
