"""Published weights of residual networks, read strictly from a local file into MONAI's classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.loading import read_plain, state_dict_problems

Weights = dict[str, torch.Tensor]


def load_published(
    network: nn.Module,
    path: str | os.PathLike[str],
    what: str,
    adapt: Callable[[Weights], Weights] = dict,
) -> nn.Module:
    """Load published weights into a network and return it; every name and shape must match.

    The state dict may be an entry ``state_dict`` of the file, and all names may begin with ``module.``, which
    DataParallel leaves.

    Args:
        network: network that takes them; it keeps the hash of the file.
        path: local file of ``torch.save``, of any version; only plain tensors are read from it.
        what: what the file should hold and where it is published, for messages.
        adapt: turns the published state dict into the network's; may raise KeyError for a missing name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds other weights.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected {what}. Nothing is downloaded.")
    found: Any = read_plain(path)
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ValueError(f"{path} is not a state dict of tensors; expected {what}.")
    weights = {str(name).removeprefix("module."): value for name, value in found.items()}
    try:
        weights = adapt(weights)
    except KeyError as error:
        raise ValueError(f"{path} has no {error.args[0]}; expected {what}.") from None
    if problems := state_dict_problems(network.state_dict(), weights):
        raise ValueError(f"{path} does not fit: {'; '.join(problems)}; expected {what}.")
    network.load_state_dict(weights)
    network.weights_sha256 = hash_file(path)  # type: ignore[assignment]
    return network


def set_stride(convolution: nn.Module, stride: int, dilation: int = 1) -> None:
    """Change stride and dilation of a convolution of odd kernel; its padding keeps the size at stride 1."""
    if not isinstance(convolution, (nn.Conv2d, nn.Conv3d)):
        raise TypeError(f"expected a convolution, got {type(convolution).__name__}.")
    sides = convolution.kernel_size
    convolution.stride = (stride,) * len(sides)
    convolution.dilation = (dilation,) * len(sides)
    convolution.padding = tuple(dilation * (side // 2) for side in sides)
