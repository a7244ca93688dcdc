"""The package's warnings have one category."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_warning_of_ours_has_the_category():
    calls = {}
    for path in sorted([*(ROOT / "common").rglob("*.py"), *(ROOT / "bundles").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warn"):
                calls[f"{path}:{node.lineno}"] = [ast.unparse(part) for part in node.args[1:2]]
    assert len(calls) >= 5
    assert [place for place, category in calls.items() if category != ["BrainBundlesWarning"]] == []
