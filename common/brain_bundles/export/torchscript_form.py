"""TorchScript files: a trace, with its description as MONAI stores it."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping

import torch
from monai.data import load_net_with_metadata, save_net_with_metadata

from brain_bundles.inferers import TensorModule


def check_packages() -> None:
    """Nothing beside torch is needed."""


def encode(module: TensorModule) -> bytes:
    """The module as a file without a description, traced on the CPU."""
    with warnings.catch_warnings(), torch.inference_mode():
        # Timesteps and sizes become constants, as they should. That the inputs do not, another input shows.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself, since torch 2.13
        traced = torch.jit.trace(module, tuple(module.inputs().values()), check_trace=False)
        return _saved(traced, {})


def run(code: bytes, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Output of a file for inputs in the order of the module's."""
    with torch.inference_mode():
        return load_net_with_metadata(io.BytesIO(code))[0](*inputs.values())


def with_description(code: bytes, description: str) -> bytes:
    """The file with a description, JSON, as ``metadata.json``."""
    return _saved(load_net_with_metadata(io.BytesIO(code))[0], json.loads(description))


def _saved(module: torch.nn.Module, description: Mapping[str, object]) -> bytes:
    buffer = io.BytesIO()
    save_net_with_metadata(module, buffer, include_config_vals=False, meta_values=description)
    return buffer.getvalue()
