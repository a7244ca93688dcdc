"""Checkpoints: plain tensors and containers, written completely or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brain_bundles.utils.atomic import atomic_file
from brain_bundles.utils.distributed import unwrap
from brain_bundles.utils.plain_tensor import plain_tensor


def to_plain(value: Any, where: str = "state") -> Any:
    """Convert ``value`` to CPU tensors, numbers, strings, lists, tuples and dictionaries only.

    Raises:
        TypeError: for anything else, naming where it stands.
    """
    if isinstance(value, torch.Tensor):
        value = plain_tensor(value.detach()).cpu()
        # torch.save writes the whole storage of a view.
        whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
        return value if whole else value.clone()
    if isinstance(value, np.generic):
        return value.item()  # before the check for float: np.float64 is a float, but needs code to load
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        return {key: to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_plain(item, f"{where}[{i}]") for i, item in enumerate(value))
    raise TypeError(f"{where} is a {type(value).__name__}; a checkpoint holds tensors, numbers and containers only.")


def save_atomically(value: Any, path: str | Path) -> None:
    """``torch.save``, completely or not at all, see :func:`brain_bundles.utils.atomic.atomic_file`."""
    with atomic_file(path) as file:
        torch.save(value, file)


def save_network(network: nn.Module, path: str | Path) -> None:
    """Write the state dict of ``network`` as contiguous CPU tensors, atomically; the inverse of ``load_weights``."""
    state = unwrap(network).state_dict()
    plain = {name: plain_tensor(value.detach()).cpu().clone().contiguous() for name, value in state.items()}
    save_atomically(plain, path)
