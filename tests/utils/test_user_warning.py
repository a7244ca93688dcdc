"""The package's warnings have one category, and an unexpected one fails a test."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import pytest
from brain_bundles import BrainBundlesWarning

ROOT = Path(__file__).parents[2]


def test_every_warning_of_ours_has_the_category():
    calls = {}
    for path in sorted([*(ROOT / "common").rglob("*.py"), *(ROOT / "bundles").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warn"):
                calls[f"{path}:{node.lineno}"] = [ast.unparse(part) for part in node.args[1:2]]
    assert len(calls) >= 5
    assert [place for place, category in calls.items() if category != ["BrainBundlesWarning"]] == []


@pytest.mark.parametrize("stacklevel", [1, 2, 3])
def test_a_test_that_does_not_expect_it_fails(stacklevel):
    """At every stack level: levels 2 and 3 attribute the warning to pytest's own code."""
    with pytest.raises(BrainBundlesWarning, match="look at this"):
        warnings.warn("look at this", BrainBundlesWarning, stacklevel=stacklevel)
    with pytest.warns(BrainBundlesWarning):
        warnings.warn("look at this", BrainBundlesWarning, stacklevel=stacklevel)
