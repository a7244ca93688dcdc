"""Fixtures that more than one sub-package's tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real scans; tests that ask for it are skipped where it is missing."""
    folder = Path(os.environ.get("BRAIN_BUNDLES_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")
    if not (folder / "population").is_dir():
        pytest.skip(f"no real scans in {folder}; set BRAIN_BUNDLES_REAL_DATA to a folder that has them")
    return folder
