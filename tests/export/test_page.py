"""The code of the page about exports runs as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import brain_bundles
import numpy as np
import pytest
from brain_bundles.phantom import write_phantoms

from .conftest import TINY

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export_a_bundle.md"
ADAPTIVE = "brain_mri_adaptive_translator"


def test_the_page_s_code_runs(tiny, exported, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert len(blocks) == 2
    size = TINY[ADAPTIVE]["spatial_size"]
    write_phantoms(tmp_path / "data", num_subjects=1, suffixes=["T1w"], spacing=6.0, spatial_size=(32, 36, 30), seed=5)
    shutil.copy(next((tmp_path / "data").rglob("*_T1w.nii.gz")), tmp_path / "scan_T1w.nii.gz")
    shutil.copy(exported(ADAPTIVE, "onnx")[0], tmp_path / "translator.onnx")
    np.save(tmp_path / "image.npy", np.random.default_rng(0).random((1, 1, *size), dtype=np.float32))
    bundle = tiny(ADAPTIVE)
    monkeypatch.setattr(brain_bundles, "load", lambda name: bundle if name == ADAPTIVE else None)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks[0], names)
    assert names["translation"].shape == (1, 1, *size)
    exec(blocks[1], names)
    result = names["result"]
    assert tuple(result.shape) == (1, 32, 36, 30)
    assert float(result.max()) > 0.1
