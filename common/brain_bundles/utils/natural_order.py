"""Order of names with numbers as people count."""

from __future__ import annotations

import re


def natural_order(text: str) -> list[tuple[int, str]]:
    """Sorting key in which sub-2 comes before sub-10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", text)]
