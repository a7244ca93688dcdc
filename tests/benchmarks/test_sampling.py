"""The benchmark of sampling runs: tiny networks, no times compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.long
def test_sampling_writes_a_row_for_each_path(tmp_path):
    pytest.importorskip("generative", reason="the official networks come with the extra 'legacy'")
    command = [
        sys.executable,
        str(FOLDER / "sampling.py"),
        "--smoke",
        "--steps=1",
        "--threads=1",
        f"--output={tmp_path}",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "sampling.json").read_text())
    official, *ours = written["rows"]
    assert official["share"] == 1
    assert [row["path"].split()[-1] for row in ours] == ["15", "20"]
    assert all(row["step_s"] > 0 and row["decode_s"] > 0 for row in written["rows"])
    assert 0 <= written["parts"]["slabs"]["difference"] < 1e-4
    assert (tmp_path / "sampling.md").read_text().count("\n| ") == 5
