"""Checks of the components in configs: every ``_target_`` with the arguments that any file gives it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bundle_verify.argument_rules import COMPUTED, Named, problems_with_call
from bundle_verify.component import RULES, Component
from bundle_verify.components import known_component
from bundle_verify.config_text import id_parts
from bundle_verify.expression_tree import parse_expression
from bundle_verify.expressions import Expression
from bundle_verify.imports import Imports
from bundle_verify.report import Finding, Problem, not_judged

_ANY = Component("", any_positional=True, any_keyword=True)
# Stands for a component that cannot be told: an overlay may count the entries of a list that another one has extended.
_LOOKING_UP = Component.from_text("", "* reader:code writer:code merger_cls:code **")
# Keys of a component that are no arguments.
_OWN_KEYS = frozenset({"_target_", "_requires_", "_disabled_", "_desc_", "_mode_", "_debug_"})


@dataclass(frozen=True)
class _Entry:
    """One entry of a dictionary: where it stands, its name there, and the dictionary in which the file writes it."""

    file: str
    key: str
    name: str
    value: Any
    within: dict[str, Any]
    alone: bool  # written as a path or merged, without the rest of the component


def check_targets(
    configs: Mapping[str, dict[str, Any]], imports: Imports, carried: frozenset[str]
) -> Iterator[Finding]:
    """Findings about the components of all files. Files overlay each other, so a component may be spread over several.

    Args:
        configs: content of all files.
        imports: all imports of the bundle's configs.
        carried: packages that the bundle carries.
    """
    places: dict[tuple[str, ...], list[_Entry]] = defaultdict(list)
    for file, config in configs.items():
        for place, entry in _entries(file, config):
            places[place].append(entry)
    for entries in places.values():
        called_later = any(entry.name == "_mode_" and entry.value != "default" for entry in entries)
        targets: list[tuple[_Entry, list[Component]]] = []
        for target in (entry for entry in entries if entry.name == "_target_"):
            found = component_of_target(target.value, carried)
            targets.append((target, [one for one in found if isinstance(one, Component)]))
            for one in found:
                if isinstance(one, Problem):
                    yield Finding(target.file, target.key, *one)
                elif one.guarded and called_later:
                    yield Finding(target.file, target.key, *not_judged(f"{target.value} without a call"))
        for entry in entries:
            if entry.name in _OWN_KEYS:
                continue
            components = [
                component
                for target, known in targets
                if entry.within is target.within or entry.alone or target.alone
                for component in known
            ]
            # An overlay may change one of several components that different files have at this place.
            knowing = [one for one in components if one.any_keyword or entry.name in one.keywords]
            value = _value(entry.value, imports, carried)
            others = [_ANY] if entry.name in RULES else []
            others += [_LOOKING_UP] if entry.name in _LOOKING_UP.keywords and not knowing else []
            for component in [*(knowing or components), *others]:
                for problem in problems_with_call(component, [], {entry.name: value}):
                    yield Finding(entry.file, entry.key, *problem)


def _entries(
    file: str, content: Any, key: str = "", *, merged: bool = False
) -> Iterator[tuple[tuple[str, ...], _Entry]]:
    """All entries of all dictionaries in a config, by the place of their dictionary after merging."""
    if isinstance(content, list):
        for number, value in enumerate(content):
            yield from _entries(file, value, f"{key}::{number}")
    elif isinstance(content, dict):
        for name, value in content.items():
            below = f"{key}::{name}" if key else str(name)
            *place, last = id_parts(below)
            path = len(id_parts(str(name))) > 1 or str(name).startswith("+")
            yield tuple(place), _Entry(file, below, last, value, content, merged or path)
            yield from _entries(file, value, below, merged=str(name).startswith("+"))


def component_of_target(value: Any, carried: frozenset[str]) -> list[Component | Problem]:
    """What a ``_target_`` may mean. A target without a module is a class or function of MONAI."""
    if not isinstance(value, str) or value[:1] in ("$", "@", "%", ""):
        return [not_judged(f"{str(value)[:100]} is computed; a target must be written out")]
    if "." in value:
        return [known_component(value, carried)]
    if not (modules := _modules_of(value)):
        return [not_judged(f"{value} is not a class or function of MONAI")]
    return [known_component(f"{one}.{value}") for one in modules]


def _value(value: Any, imports: Imports, carried: frozenset[str]) -> Any:
    """Value of an argument for the rules: what the text tells without running anything."""
    if isinstance(value, list):
        return [_value(one, imports, carried) for one in value]
    if isinstance(value, dict):
        target = value.get("_target_")
        return Named(target) if isinstance(target, str) else COMPUTED
    if not isinstance(value, str) or value[:1] not in ("$", "@", "%"):
        return value
    if value[0] == "$":
        try:
            tree = parse_expression(value[1:])
        except ValueError:
            return COMPUTED
        if isinstance(tree, ast.Expression):
            return Expression(tree, imports, carried).value(tree.body)
    return COMPUTED


@cache
def _locator() -> Any:
    from monai.bundle import ComponentLocator

    return ComponentLocator()


def _modules_of(name: str) -> list[str]:
    """Modules of MONAI that hold the class or function ``name``."""
    modules = _locator().get_component_module_name(name)
    return [modules] if isinstance(modules, str) else modules or []
