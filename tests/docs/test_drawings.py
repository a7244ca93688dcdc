"""The drawing of the parts has the rows that the imports keep to."""

from __future__ import annotations

import re
from pathlib import Path

from ..test_places import ROWS

PARTS = Path(__file__).parents[2] / "docs" / "images" / "parts.svg"
NOT_DRAWN = {"version", "workers", "__main__"}  # single modules


def test_rows_are_those_of_the_imports():
    drawn = re.findall(r'x="36" y="\d+">([^<]+)<', PARTS.read_text(encoding="utf-8"))
    rows = [tuple(name for name in row if name not in NOT_DRAWN) for row in ROWS]
    assert [set(text.split(", ")) for text in drawn] == [set(row) for row in reversed(rows) if row]
