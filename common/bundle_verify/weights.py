"""Checks of weights for anything but plain tensors. Values are not read: large files are mapped, not loaded."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from bundle_verify.data_files import directory_is_too_large

_HEADER = 100 << 20  # of safetensors
_STRUCTURE = 64 << 20  # the pickle in a file of torch.save, which names the tensors
_OLD = 1 << 30  # files of torch.save before PyTorch 1.6 cannot be mapped


def tensors_of_weights(path: Path) -> dict[str, torch.Tensor]:
    """State dict of a file. For safetensors: only names and shapes, on the meta device.

    Raises:
        ValueError: if the file holds anything but plain tensors, cannot be read, or would need much memory.
    """
    if path.name.lower().endswith(".safetensors"):
        return _safetensors(path)
    mapped = zipfile.is_zipfile(path)
    if mapped and (problem := _problem_with_zip(path)):
        raise ValueError(problem)
    if not mapped and path.stat().st_size > _OLD:
        raise ValueError(f"is larger than {_OLD >> 30} GiB and not in the format of torch.save")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # of many kinds: unpickling, zip, end of file
        raise ValueError(f"is not a file of plain tensors ({_reason(error)})") from None
    if isinstance(found, Mapping) and isinstance(found.get("model"), Mapping):
        found = found["model"]  # a form that the zoo tolerates
    if not isinstance(found, Mapping):
        raise ValueError(f"holds a {type(found).__name__}, expected tensors by name")
    if other := [key for key, value in found.items() if not isinstance(value, torch.Tensor)]:
        raise ValueError(f"holds something other than tensors under {other[0]!r}")
    return {str(key): value for key, value in found.items()}


def _reason(error: Exception) -> str:
    """Reason in our own words: PyTorch's text advises to load the file without this check, which would run its code."""
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it needs {found[1].rstrip('.')}"
    if "nsupported" in str(error):
        return "a pickle with other contents"
    return f"damaged, or of another format: {type(error).__name__}"


def code_beside_tensors(path: Path, endings: Iterable[str]) -> str | None:
    """First file of code in weights that are a zip, such as those of ``torch.save``; Python imports from any zip."""
    if not zipfile.is_zipfile(path) or _problem_with_zip(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return next((name for name in archive.namelist() if name.lower().endswith(tuple(endings))), None)


def _problem_with_zip(path: Path) -> str | None:
    """Problem with the zip around weights: ``torch.save`` does not compress, so nothing in it may grow."""
    with path.open("rb") as file:
        if directory_is_too_large(file):
            return "is a zip with too many entries"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        return f"is not a file of plain tensors (damaged: {type(error).__name__})"
    if packed := [one.filename for one in entries if one.compress_type or one.file_size != one.compress_size]:
        return f"is not a file of torch.save: {packed[0]} is compressed"
    if large := [one.filename for one in entries if one.filename.endswith(".pkl") and one.file_size > _STRUCTURE]:
        return f"is not a file of plain tensors ({large[0]} is larger than {_STRUCTURE >> 20} MiB)"
    return None


def _safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        rest = path.stat().st_size - 8
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > min(_HEADER, rest):
                raise ValueError("cut off")
            header: dict[str, Any] = json.loads(file.read(size))
        end = max((part["data_offsets"][1] for key, part in header.items() if key != "__metadata__"), default=0)
        if end != rest - size:
            raise ValueError("cut off")
        return {key: torch.empty(part["shape"], device="meta") for key, part in header.items() if key != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise ValueError(f"is not a whole file of safetensors ({error})") from error
