"""Imports in configs, and references that become code."""

from __future__ import annotations

import json

import pytest

from .helpers import change, found


def test_imports(bundle):
    """Imports bind for all files, so one file must not change the meaning of another file's names."""
    path = bundle / "configs" / "more.json"

    def with_imports(*lines: str) -> list[str]:
        path.write_text(json.dumps({"imports": list(lines)}))
        return [line for line in found(bundle) if line.startswith("configs/")]

    assert with_imports("$import math", "$import numpy as np", "$from monai.transforms import Compose") == []
    for line, message in (
        ("$import subprocess", "import of subprocess is not in the allow-list"),
        ("$import math as torch", "import of math under another name"),
        ("$from os import system", "import of os.system is not in the allow-list"),
        ("$from monai.networks.nets import UNet as len", "under another name"),
        ("$from .x import y", "import of"),
    ):
        assert any(message in one for one in with_imports(line)), line
    two = with_imports("$from monai.transforms import Compose", "$from torch.nn import Compose")
    assert any("Compose is monai.transforms.Compose in another place" in one for one in two)


def test_an_import_that_another_takes_its_module_from(bundle):
    (bundle / "configs" / "more.json").write_text(json.dumps({"imports": ["$import os", "$@#0.remove('ran')"]}))
    assert any(line.startswith("configs/more.json, imports::1: a relative reference") for line in found(bundle))


@pytest.mark.parametrize("value", ["$@#A", "$'%#A'"])
def test_a_key_that_becomes_code(bundle, value):
    change(bundle / "configs" / "inference.json", "evil", {"a+eval('1')+@run": {"A": 0, "B": value}})
    assert any("a relative reference below a key" in line for line in found(bundle))
