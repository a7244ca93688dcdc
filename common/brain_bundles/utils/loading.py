"""Load weights strictly: every key must match, or nothing is loaded."""

from __future__ import annotations

import logging
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brain_bundles.utils.distributed import unwrap
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.recipe import (
    RECIPE_KEY,
    WITHOUT_RECIPE,
    Recipe,
    contradiction_message,
    contradictions,
    decode_recipe,
    encode_recipe,
    recipe_of,
    training_history,
)

logger = logging.getLogger(__name__)
_SHOWN = 5


def read_plain(path: str | Path, *, mmap: bool = False, checked: bool = True) -> Any:
    """Read a file of ``torch.save`` that holds plain tensors and containers, onto the CPU.

    Args:
        path: path of the file.
        mmap: read each tensor from the file when it is used, and share it with other processes that do the same.
            Meanwhile the file must not be written to; it may be replaced by another file.
        checked: compare the checksums, for which the whole file is read.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is not a PyTorch file, or holds more than plain tensors.
    """
    path = Path(path)
    _refuse_no_weights(path)
    try:
        if checked:
            _check_parts(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # damaged bytes raise errors of many kinds
        # Not torch's message, and not in a traceback: it advises to run the code of the file (weights_only=False).
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as plain tensors; it is damaged, is not a file "
            f"of torch.save, or needs code to load. Delete it or restore a copy. ({_reason(error)})"
        ) from None


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    _refuse_no_weights(path)
    try:
        return load_file(path, device="cpu")
    except Exception as error:  # SafetensorError, and others of the sizes and types in a damaged header
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as safetensors; it is damaged, or is not such a "
            f"file. Delete it or restore a copy. ({_reason(error)})"
        ) from error


def _refuse_no_weights(path: Path) -> None:
    """Raise for a missing file and for a pointer that Git LFS left in its place."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; train first, download the weights, or set the path.")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a Git LFS pointer, not the weights; run `git lfs pull`.")


def _check_parts(path: Path) -> None:
    """Compare the checksums in a file of torch.save, which is a zip; torch.load does not (torch 2.13)."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return  # the form before torch 1.6 has none
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the checksum of its part {damaged} is wrong")


def _reason(error: Exception) -> str:
    """Why a file cannot be read, in one line and without advice."""
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        found = re.search(r"GLOBAL ([\w.]{1,100})", str(error))
        return f"it asks for {found[1]}" if found else "it holds something other than plain tensors"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def load_weights(
    network: nn.Module,
    path: str | Path | None,
    *,
    key: str | None = None,
    without: str | None = None,
    may_differ: Sequence[str] = (),
) -> nn.Module:
    """Load the weights of ``path`` into ``network`` and return it; every key must match.

    The network keeps the hash of the file, for :func:`~brain_bundles.utils.weights_hash`.

    Args:
        network: network on any device, also in DistributedDataParallel; its values are overwritten in place. A network
            with a recipe, see :func:`~brain_bundles.utils.with_recipe`, takes weights of that recipe alone.
        path: a state dict of ``torch.save`` or a ``.safetensors`` file; None leaves the network as it is, so that a
            config's ``initial_weights`` can be null.
        key: entry that holds the state dict, if the file has several (a resumable checkpoint: ``network``, ``ema``).
        without: text in the names of tensors to leave out, both in the file and in the network; for parts that only one
            of them has.
        may_differ: settings of the recipe that a training will change; those of ``network`` are kept.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is not a state dict, has no recipe or another one than the network, or its
            keys or shapes differ from the network's.
    """
    if path is None:
        return network
    path, given, network = Path(path), network, unwrap(network)
    weights = read_weights(path, key=key)
    expected = network.state_dict()
    if without is not None:
        weights, expected = ({k: v for k, v in state.items() if without not in k} for state in (weights, expected))
    if isinstance(getattr(network, "recipe", None), Recipe):
        weights = {**weights, RECIPE_KEY: encode_recipe(_fitting_recipe(network, weights, path, may_differ))}
    elif RECIPE_KEY in weights:
        network.recipe = Recipe()
        expected = {**expected, RECIPE_KEY: weights[RECIPE_KEY]}
    if problems := state_dict_problems(expected, weights):
        raise ValueError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems)}.")
    network.load_state_dict(weights, strict=without is None)
    network.weights_sha256 = hash_file(path) if without is None else None  # type: ignore[assignment]
    logger.info("Loaded %d tensors from %s. %s", len(weights), path, _origin(network))
    return given


def read_weights(path: str | Path, *, key: str | None = None) -> dict[str, torch.Tensor]:
    """Read a state dict of ``torch.save`` or a ``.safetensors`` file onto the CPU.

    Args:
        path: path of the file.
        key: entry that holds the state dict, if the file has several.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or is not a state dict.
    """
    path = Path(path)
    weights: Any = _read_safetensors(path) if path.suffix == ".safetensors" else read_plain(path)
    if key is not None:
        if not isinstance(weights, Mapping) or key not in weights:
            found = ", ".join(map(repr, weights)) if isinstance(weights, Mapping) else type(weights).__name__
            raise ValueError(f"{path} has no entry {key!r}; found: {found}.")
        weights = weights[key]
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items()
    ):
        found = ", ".join(map(repr, list(weights)[:_SHOWN])) if isinstance(weights, Mapping) else type(weights).__name__
        raise ValueError(f"{path} is not a state dict of tensors (found: {found}); name the right entry with `key`.")
    return dict(weights)


def read_recipe(paths: Sequence[str | Path | None]) -> dict[str, Any]:
    """Read the recipes of files of weights; of a setting in several of them the last one counts.

    Files that do not exist, files without a recipe and None are passed over: a config reads its settings here, with a
    default for each, and :func:`load_weights` tells what is wrong with the file.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        if path is None or not Path(path).is_file():
            continue
        try:
            merged |= decode_recipe(_read_tensor(Path(path), RECIPE_KEY))
        except (ValueError, KeyError, TypeError, OSError):
            continue
    return merged


def _read_tensor(path: Path, name: str) -> torch.Tensor:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                return file.get_tensor(name)
        except SafetensorError as error:
            raise KeyError(name) from error
    return read_plain(path, mmap=True, checked=False)[name]  # the rest is read and checked when it is loaded


def _fitting_recipe(
    network: nn.Module, weights: Mapping[str, torch.Tensor], path: Path, may_differ: Sequence[str]
) -> dict[str, Any]:
    """Recipe of the weights without the settings that a training will change."""
    state = weights.get(RECIPE_KEY)
    try:
        stored = {} if state is None else decode_recipe(state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not stored and recipe_of(network):
        raise ValueError(f"{path} {WITHOUT_RECIPE}")
    stored = {name: value for name, value in stored.items() if name not in may_differ}
    if problems := contradictions(stored, recipe_of(network)):
        raise ValueError(f"{path}: {contradiction_message(problems)}")
    return stored


def _origin(network: nn.Module) -> str:
    """What the weights were made for, in words for the log."""
    parts, recipe = [], recipe_of(network)
    if "spacing" in recipe:
        parts.append(f"They work at {recipe['spacing']} mm")
    if history := training_history(network):
        parts.append(f"were trained on {', then '.join(dict.fromkeys(history))}")
    return f"{' and '.join(parts)}." if parts else ""


def state_dict_problems(expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> list[str]:
    """Missing keys, unknown keys and different shapes, each as one text with the first few names."""
    lists = {
        "missing in the file": [name for name in expected if name not in found],
        "unknown to the network": [name for name in found if name not in expected],
        "of another shape": [
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
