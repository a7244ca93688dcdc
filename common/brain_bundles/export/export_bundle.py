"""Export of a bundle's inference as one file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from brain_bundles.bundle import Bundle
from brain_bundles.export.describe import describe
from brain_bundles.export.forms import FORMS, form_of
from brain_bundles.inferers import TensorModule
from brain_bundles.utils import atomic_write

# Of the keys that only change how the same numbers are computed, an export sets those that a bundle has.
FIXED: dict[str, Any] = {
    "device": torch.device("cpu"),
    "precision": "fp32",
    "channels_last": False,
    "compile": False,
    "decode_slab_size": None,
}
# Of the first steps of a run, those that refuse what its networks cannot do.
CHECKS = (
    "brain_bundles.networks.check_grid",
    "brain_bundles.networks.check_spatial_size",
    "brain_bundles.schedulers.check_scheduler",
)
TOLERANCE = 1e-4


def export_bundle(
    bundle: Bundle, output_file: str | os.PathLike[str], *, form: str | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a bundle's inference as one module, compare what the file computes with the module, and describe it.

    The file carries the description as JSON: ONNX under ``metadata`` of its properties, TorchScript as the file
    ``metadata.json``, where :func:`monai.data.load_net_with_metadata` finds it. How to run it:
    docs/how-to/export_a_bundle.md.

    Args:
        bundle: from :func:`brain_bundles.load`, with the settings that the file shall have, such as
            ``num_inference_steps``.
        output_file: file to write.
        form: ``onnx`` or ``torchscript``; None for that of the file's ending.
        overwrite: replace a file that is there.

    Returns:
        the description: bundle, version, inputs, output, grid, intensities, contrasts or classes, settings, hashes of
        the weights, and the largest difference that was found.

    Raises:
        FileExistsError: if the file is there, without ``overwrite``.
        FileNotFoundError: without the weights.
        ImportError: for ONNX without the extra ``export``.
        ValueError: for an unknown form, settings that a file cannot have, or a file that computes something else.
    """
    form, path = form_of(output_file, form), Path(output_file)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; give another --output_file, or --overwrite to replace it.")
    if clash := [key for key in FIXED if key in bundle.options]:
        raise ValueError(f"{', '.join(clash)}: an export sets this itself (fp32, on the CPU); leave it out.")
    kind = FORMS[form]
    kind.check_packages()
    module, networks = _module(bundle)
    code, unseen = kind.encode(module), module.inputs(seed=1)
    with torch.inference_mode():
        expected = module(**unseen)
    checked = _compare(kind.run(code, unseen), expected, module.tie_share)
    description = describe(bundle, module, networks, expected, form) | {"checked": checked}
    atomic_write(path, kind.with_description(code, json.dumps(description)), exclusive=not overwrite)
    return description


def _module(bundle: Bundle) -> tuple[TensorModule, dict[str, nn.Module]]:
    """The module of a bundle, and the bundle's networks by their keys."""
    fixed = {key: value for key, value in FIXED.items() if key in bundle.keys}
    names = [key for key in ("network", "autoencoder") if key in bundle.keys]
    steps = ConfigParser.load_config_files(bundle.config_files).get("initialize", [])
    checks = [f"initialize::{n}" for n, one in enumerate(steps) if isinstance(one, dict) and one["_target_"] in CHECKS]
    inferer, size, *networks = bundle.content(*checks, "inferer", "spatial_size", *names, **fixed)[len(checks) :]
    if not hasattr(inferer, "to_module"):
        raise ValueError(f"the inferer of {bundle.name} is a {type(inferer).__name__}, which has no to_module.")
    # Weights that need no gradient: a loaded file then keeps no graph, whatever the caller's mode.
    module = inferer.to_module(networks[0], size).requires_grad_(False)
    return module, dict(zip(names, networks, strict=True))


def _compare(found: torch.Tensor, expected: torch.Tensor, tie_share: float) -> dict[str, float]:
    """Compare the output of a file with that of the module."""
    difference = (found - expected).abs()
    beyond = float((~(difference <= TOLERANCE)).double().mean())  # NaN is beyond
    if beyond > tie_share:
        raise ValueError(
            f"the file computes something else: {beyond:.2%} of the voxels differ by more than {TOLERANCE:g}, the "
            f"largest difference is {float(difference.max()):.2g}. Nothing was written."
        )
    return {"max_difference": float(difference.max()), "share_beyond_1e-4": beyond}
