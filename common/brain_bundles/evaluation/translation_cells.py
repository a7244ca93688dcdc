"""Cells of a comparison: pairs of a source and a target contrast."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

Cell = tuple[str, str]  # (source, target)


def as_cells(cells: Sequence[str | Sequence[str]]) -> list[Cell]:
    """List the cells as (source, target): each contrast to every other one, or the given pairs.

    Raises:
        ValueError: if there are no cells, an entry is repeated, or an entry is not a pair of two contrasts.
    """
    contrasts = [entry for entry in cells if isinstance(entry, str)]
    if contrasts and len(contrasts) == len(cells):
        result = list(permutations(contrasts, 2))
        valid = len(set(contrasts)) == len(contrasts) > 1
    else:
        result = [(entry[0], entry[1]) for entry in cells if not isinstance(entry, str) and len(set(entry)) == 2]
        valid = 0 < len(result) == len(cells) == len(set(result))
    if not valid:
        raise ValueError(
            f"cells is {list(cells)}, expected two or more contrasts, or pairs of two contrasts, each once."
        )
    return result


def contrasts_of(cells: Sequence[Cell]) -> list[str]:
    """List the contrasts of the cells, each once, in order."""
    return list(dict.fromkeys(contrast for cell in cells for contrast in cell))


def cell_name(source: str, target: str) -> str:
    """Name of a cell in files and settings, such as "T1w to T2w"."""
    return f"{source} to {target}"
