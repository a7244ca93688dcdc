"""Facts of one start of a run, which may differ from those of another start."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from typing import Any

import torch

from brain_bundles.utils.config_overrides import given_overrides
from brain_bundles.utils.distributed import world_size
from brain_bundles.version import __version__

PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy", "nibabel", "diffusers")


def start_provenance(device: str | torch.device) -> dict[str, Any]:
    """Time, package versions, device, CPU threads, processes and overrides of this start, for its entry in run.json.

    Args:
        device: that the networks run on.

    Returns:
        ``started`` (UTC), ``versions``, ``device``, ``threads``, ``processes``, and ``overrides``: the options of
        ``python -m monai.bundle run`` as they were given, or None where a run was started from Python.
    """
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(),
        "versions": {"brain-bundles": __version__, "python": platform.python_version(), **_versions()},
        "device": _name_of(torch.device(device)),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "overrides": given_overrides(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # diffusers is optional
    return found


def _name_of(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
