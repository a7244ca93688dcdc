"""What a start says about itself."""

from __future__ import annotations

import json
import sys

import torch
from brain_bundles.runs import start_provenance
from brain_bundles.version import __version__


def test_versions_device_threads_and_overrides(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/monai/bundle/__main__.py", "run", "--age", "60"])
    found = start_provenance("cpu")
    assert found["versions"].items() >= {"brain-bundles": __version__, "torch": torch.__version__}.items()
    assert {"python", "monai", "numpy", "nibabel", "pytorch-ignite"} <= found["versions"].keys()
    assert (found["device"], found["threads"], found["processes"]) == ("cpu", torch.get_num_threads(), 1)
    assert found["overrides"] == {"age": "60"}
    assert found["started"].endswith("+00:00")
    assert json.loads(json.dumps(found)) == found


def test_a_run_from_python_has_no_overrides_to_tell():
    assert start_provenance(torch.device("cpu"))["overrides"] is None
