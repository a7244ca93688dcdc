"""Weights from a file into a network, completely or not at all."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

logger = logging.getLogger(__name__)
_SHOWN = 5


def read_plain(path: str | Path, *, mmap: bool = False) -> Any:
    """What ``torch.save`` wrote, if it is plain tensors and containers; on the CPU.

    Args:
        path: of the file.
        mmap: read tensors from the file as they are used, and share them with other processes that do so. The file
            must not be written to meanwhile; another may take its place.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, no PyTorch file, or holds more than plain tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; train first, download the weights, or set the path.")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a Git LFS pointer, not the weights; run `git lfs pull`.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (RuntimeError, EOFError, KeyError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as plain tensors; it is damaged, or no file of "
            f"torch.save, or needs code to load. Delete it or restore a copy. ({reason})"
        ) from error


def load_weights(
    network: nn.Module, path: str | Path | None, *, key: str | None = None, without: str | None = None
) -> nn.Module:
    """``network`` with the weights of ``path``, every key used and none missing.

    Args:
        network: on any device; its values are overwritten in place.
        path: a state dict of ``torch.save`` or a ``.safetensors`` file; None leaves the network as it is, so that a
            config's ``initial_weights`` can be null.
        key: entry that holds the state dict, for a file with several (a resumable checkpoint: ``network``, ``ema``).
        without: leave out every tensor with this text in its name, in the file and in the network alike; for parts
            that only one of the two has.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is not a state dict, or its keys or shapes are not the network's; also what
            ``network.check_state_dict(weights)`` raises, if it has that.
    """
    if path is None:
        return network
    path = Path(path)
    if path.suffix == ".safetensors" and path.is_file():
        from safetensors.torch import load_file

        weights: Any = load_file(path, device="cpu")
    else:
        weights = read_plain(path)
    if key is not None:
        if not isinstance(weights, Mapping) or key not in weights:
            found = ", ".join(map(repr, weights)) if isinstance(weights, Mapping) else type(weights).__name__
            raise ValueError(f"{path} has no entry {key!r}; found: {found}.")
        weights = weights[key]
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        found = ", ".join(map(repr, list(weights)[:_SHOWN])) if isinstance(weights, Mapping) else type(weights).__name__
        raise ValueError(f"{path} is not a state dict of tensors (found: {found}); name the entry that is with `key`.")
    expected = network.state_dict()
    if without is not None:
        weights, expected = ({k: v for k, v in state.items() if without not in k} for state in (weights, expected))
    check = getattr(network, "check_state_dict", None)
    if callable(check):  # what a network can say better than by names and shapes
        check(weights)
    if problems := state_dict_problems(expected, weights):
        raise ValueError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems)}.")
    network.load_state_dict(weights, strict=without is None)
    logger.info("Loaded %d tensors from %s.", len(weights), path)
    return network


def state_dict_problems(expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> list[str]:
    """Missing keys, unexpected keys and other shapes, each as one text with the first few names."""
    lists = {
        "missing in the file": [name for name in expected if name not in found],
        "unknown to the network": [name for name in found if name not in expected],
        "another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in expected
            if name in found and found[name].shape != expected[name].shape
        ],
    }
    return [
        f"{len(names)} {title}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
        for title, names in lists.items()
        if names
    ]
