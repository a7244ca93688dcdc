"""Hashes that identify networks, files and transforms, equal in every process and on every machine."""

from __future__ import annotations

import dis
import hashlib
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

EXTRA_STATE = "_extra_state"  # PyTorch's name for what get_extra_state returns


def module_fingerprint(module: nn.Module) -> str:
    """Hash of a network's structure, buffers and weights."""
    return _hash_weights(module, repr(module).encode()).hexdigest()


def weights_fingerprint(module: nn.Module) -> str:
    """Hash of a network's buffers and weights only: its printed structure depends on torch's version."""
    return _hash_weights(module, b"").hexdigest()


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of the file from which :func:`~brain_bundles.utils.load_weights` filled a network.

    Of a network that was filled otherwise, or from several files: ``values:`` and a hash of its values.
    """
    return getattr(module, "weights_sha256", None) or f"values:{weights_fingerprint(module)}"


def _hash_weights(module: nn.Module, start: bytes) -> hashlib.blake2b:
    digest = hashlib.blake2b(start, digest_size=16)
    for name, value in sorted(module.state_dict().items()):
        if name.endswith(EXTRA_STATE):
            continue  # the recipe: about the weights, not one of them
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(_tensor_bytes(value))
    return digest


def file_fingerprint(path: str | Path) -> str:
    """Path, size and modification time of a file; reading thousands of volumes would take as long as encoding them.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check dataset_dir.")
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def describe(value: Any, depth: int = 12) -> str:
    """Text description of a transform, or another object of plain parts: its classes and their settings.

    Settings are the attributes that constructors set. What use adds, such as the name of the last file, is left out,
    and so are random states: a deterministic transform does not depend on them.
    """
    if depth == 0:
        raise ValueError(f"cannot describe {type(value).__name__}: nested too deeply (or in a circle).")
    if value is None or isinstance(value, (bool, int, float, str, bytes, Path)):
        return repr(value)
    if isinstance(value, (torch.Tensor, np.ndarray)):
        tensor = torch.as_tensor(np.asarray(value))
        return f"tensor{tuple(tensor.shape)}{hashlib.blake2b(_tensor_bytes(tensor), digest_size=8).hexdigest()}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(item, depth - 1)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(describe(item, depth - 1) for item in value)) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(describe(item, depth - 1) for item in value) + "]"
    if isinstance(value, partial):
        return f"partial({describe([value.func, value.args, value.keywords], depth - 1)})"
    if isinstance(value, nn.Module):
        return f"{type(value).__module__}.{type(value).__qualname__}:{module_fingerprint(value)}"
    if inspect.ismethod(value):
        return f"method({describe([value.__func__, value.__self__], depth - 1)})"
    if code := getattr(value, "__code__", None):
        body = hashlib.blake2b(code.co_code + repr(code.co_names).encode(), digest_size=8).hexdigest()
        constants = [item for item in code.co_consts if isinstance(item, (int, float, str))]
        given = [value.__defaults__, value.__kwdefaults__, [cell.cell_contents for cell in value.__closure__ or ()]]
        beside = describe(given, depth - 1) if any(given) else ""
        return f"{value.__module__}.{value.__qualname__}:{body}{constants}{beside}"  # two lambdas have the same name
    if isinstance(value, (type, torch.dtype)) or hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
    settings = {
        name: item
        for name, item in sorted(_settings(value).items())
        if not isinstance(item, (np.random.RandomState, np.random.Generator, torch.Generator))
    }
    return f"{type(value).__module__}.{type(value).__qualname__}({describe(settings, depth - 1)})"


def _settings(value: Any) -> dict[str, Any]:
    """Attributes that the constructors of an object's classes set; all where a constructor is not Python code."""
    names: set[str] = set()
    for kind in type(value).__mro__[:-1]:
        if (init := kind.__dict__.get("__init__")) is None:
            continue
        code = getattr(inspect.unwrap(init), "__code__", None)
        if code is None:
            return dict(getattr(value, "__dict__", {}))
        names |= {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_ATTR"}
    found = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return found | {name: item for name, item in _fields(value).items() if name not in found}


def _fields(value: Any) -> dict[str, Any]:
    """Fields of a dataclass, whose constructor may be frozen, and of a class without a constructor of its own."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    without = all("__init__" not in kind.__dict__ for kind in type(value).__mro__[:-1])
    return dict(getattr(value, "__dict__", {})) if without else {}


def _tensor_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def hash_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, such as the weights of a run.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist; train first, download the weights, or set the path.")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
