from __future__ import annotations

import pytest
from brain_bundles.evaluation.translation_cells import as_cells, cell_name, contrasts_of


def test_contrasts_are_every_one_to_every_other():
    cells = as_cells(["a", "b", "c"])
    assert cells == [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")]
    assert contrasts_of(cells) == ["a", "b", "c"]


def test_pairs_are_taken_as_they_are():
    cells = as_cells([["T1w", "FLAIR"], ("T2w", "FLAIR")])
    assert cells == [("T1w", "FLAIR"), ("T2w", "FLAIR")]
    assert contrasts_of(cells) == ["T1w", "FLAIR", "T2w"]
    assert cell_name(*cells[0]) == "T1w to FLAIR"


@pytest.mark.parametrize(
    "cells",
    [
        [],
        ["T1w"],
        ["T1w", "T1w"],
        [("T1w", "T1w")],
        [("T1w", "T2w", "FLAIR")],
        [("T1w", "T2w"), ("T1w", "T2w")],
        ["PD", ("T1w", "T2w")],
    ],
)
def test_other_cells_are_refused(cells):
    with pytest.raises(ValueError, match="expected two or more contrasts, or pairs of two contrasts, each once"):
        as_cells(cells)
