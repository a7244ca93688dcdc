"""The cells of a comparison: which source contrasts are translated to which targets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

Cell = tuple[str, str]  # (source, target)


def as_cells(cells: Sequence[str | Sequence[str]]) -> list[Cell]:
    """(source, target) of each cell, of contrasts (every one to every other) or of pairs.

    Raises:
        ValueError: if there is none, one stands twice, or an entry is not a pair of two contrasts.
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
    """The contrasts of the cells, each once, in order."""
    return list(dict.fromkeys(contrast for cell in cells for contrast in cell))


def cell_name(source: str, target: str) -> str:
    """The name of a cell in files and settings, such as "T1w to T2w"."""
    return f"{source} to {target}"
