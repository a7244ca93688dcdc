"""Fixtures that more than one sub-package's tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real scans; tests that ask for it are skipped where it is missing."""
    folder = Path(os.environ.get("BRAIN_BUNDLES_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")
    if not (folder / "population").is_dir():
        pytest.skip(f"no real scans in {folder}; set BRAIN_BUNDLES_REAL_DATA to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def bids_errors() -> Callable[[Path], list[str]]:
    """What the BIDS validator finds wrong with a folder; warnings, such as of scanner details, do not count."""
    command = Path(sys.executable).with_name("bids-validator-deno")
    if not command.exists():
        pytest.skip("bids-validator-deno is not installed (test extra)")

    def validate(folder: Path) -> list[str]:
        result = subprocess.run([command, "--json", folder], capture_output=True, text=True, timeout=120)
        issues = json.loads(result.stdout)["issues"]["issues"]
        return [f"{i['code']} {i.get('location')}" for i in issues if i["severity"] == "error"]

    return validate
