"""Checks of the imports in configs, and of references to them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from bundle_verify.components import importable, known_component, listed
from bundle_verify.config_text import id_parts, leaves
from bundle_verify.expression_tree import imported_name, parse_expression, reference_ids
from bundle_verify.report import Finding, Problem, not_judged

# Names that MONAI provides in every expression.
PROVIDED = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}


class Imports:
    """All imports of a bundle's configs, which MONAI merges: one name must mean the same in all files.

    Attributes:
        names: name in expressions -> full name.
        findings: findings about the imports.
    """

    def __init__(self, configs: Mapping[str, dict[str, Any]], carried: frozenset[str]) -> None:
        self.names: dict[str, str] = {}
        self.findings: list[Finding] = []
        self._places: set[tuple[str, ...]] = set()
        for file, config in configs.items():
            for key, value in leaves(config):
                if not is_import(value):
                    continue
                parts = id_parts(key)
                self._places.add(tuple(parts[:-1] if parts[-1].isdigit() else parts))
                problems = problems_with_import(value[1:], carried)
                self.findings += [Finding(file, key, f"{value}: {one.message}", one.judged) for one in problems]
                for name, full in imported_name(value[1:]).items():
                    if self.names.setdefault(name, full) != full:
                        self.findings.append(Finding(file, key, f"{name} is {self.names[name]} in another place"))

    def referred_to(self, text: str) -> bool:
        """Return True if a text refers to an import, or to a list or dictionary with one: to a whole module."""
        for parts in (tuple(one.split("::")) for one in reference_ids(text)):
            if "imports" in parts or any(parts[: len(one)] == one[: len(parts)] for one in self._places):
                return True
        return False


def is_import(value: Any) -> bool:
    """Return True if a value of a config is an import, wherever it stands."""
    return isinstance(value, str) and value.startswith("$") and bool(imported_name(value[1:]))


def problems_with_import(text: str, carried: frozenset[str]) -> list[Problem]:
    """Problems with an import; ``text`` is without its ``$``.

    A module or a known component may be imported, also under another name, if that name is not taken.
    """
    tree = parse_expression(text)
    assert not isinstance(tree, ast.Expression)
    problems: list[Problem] = []
    for alias in tree.names:
        module = "" if isinstance(tree, ast.Import) else f"{'.' * tree.level}{tree.module or ''}."
        name = f"{module}{alias.name}"
        bound = alias.asname or alias.name
        if (bound in PROVIDED and PROVIDED[bound] != name) or f"builtins.{bound}" in listed() or bound.startswith("_"):
            problems.append(not_judged(f"import of {name} under another name, which is taken"))
        if name in importable() or name.split(".")[0] in carried:
            continue
        found = not_judged(f"{name} is not in the allow-list") if not module else known_component(name, carried)
        if isinstance(found, Problem):
            problems.append(Problem(f"import of {found.message}", found.judged))
    return problems
