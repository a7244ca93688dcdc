"""Numbers in reports: Markdown tables, and None for NaN in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def finite_json(value: Any) -> Any:
    """Replace NaN and infinity in a nested value by None, since JSON has neither."""
    if isinstance(value, Mapping):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def cell(value: float | None, form: str) -> str:
    """Format a number by ``form``; None is n/a."""
    return "n/a" if value is None else format(value, form)


def interval_cell(value: float | None, ends: Sequence[float | None] | None, form: str) -> str:
    """A number with its interval, such as 0.95 [0.92, 0.97]; the number alone where there is no interval."""
    if value is None or ends is None or None in ends:
        return cell(value, form)
    return f"{value:{form}} [{ends[0]:{form}}, {ends[1]:{form}}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, with an empty line at the end."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]
