"""Each config of a bundle: its imports, expressions, targets and macros."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from brain_bundles.zoo.allowed_names import problem_with_name
from brain_bundles.zoo.config_text import leaves, problem_with_macro
from brain_bundles.zoo.expressions import (
    imported_name,
    problem_with_argument,
    problems_with_expression,
    problems_with_import,
)
from brain_bundles.zoo.source import Finding

# Where an import may stand, and what puts the bundle's folder on the import path.
_IMPORTS = re.compile(r"\+?imports::\d+")
_ON_PATH = ("$sys.path.insert(1, @bundle_root)", "$sys.path.append(@bundle_root)")


def check_imports(
    texts: Mapping[str, dict[str, Any]], packages: frozenset[str]
) -> tuple[dict[str, str], list[Finding]]:
    """What the imports of all files bind, since files are merged, and what is wrong with them."""
    imported: dict[str, str] = {}
    findings = []
    for file, config in texts.items():
        for key, value in leaves(config):
            if not isinstance(value, str) or not _IMPORTS.fullmatch(key) or not (names := imported_name(value[1:])):
                continue
            findings += [Finding(file, key, f"{value}: {one}") for one in problems_with_import(value[1:], packages)]
            for name, full in names.items():
                if imported.setdefault(name, full) != full:
                    findings.append(Finding(file, key, f"{name} is {imported[name]} in another place"))
    return imported, findings


def check_config(
    file: str,
    config: dict[str, Any],
    configs: dict[str, dict[str, Any]],
    packages: frozenset[str],
    imported: Mapping[str, str],
) -> Iterator[Finding]:
    """What one file does that a config has no need to.

    Args:
        file: its name.
        config: what it holds.
        configs: all files of the bundle, for macros.
        packages: whose names may be used.
        imported: what imports bind, of :func:`check_imports`.
    """
    on_path = any(value in _ON_PATH for one in configs.values() for _, value in leaves(one) if isinstance(value, str))
    for key, value in leaves(config):
        last = re.split("::|#", key)[-1]
        if problem := problem_with_argument(last, value):
            yield Finding(file, key, problem)
        if last == "_target_" and (problem := _problem_with_target(value, packages)):
            yield Finding(file, key, problem)
        elif last == "_mode_" and value not in ("default", "callable"):
            yield Finding(file, key, f"the mode {value!r} may stop in a debugger")
        elif last == "_debug_" and value is not False:
            yield Finding(file, key, "stops in a debugger")
        elif key == "bundle_root" and on_path and value != ".":
            yield Finding(file, key, f"is {value!r}; it goes onto the import path, so it must be '.'")
        elif not isinstance(value, str):
            continue
        elif value.startswith("$"):
            if _IMPORTS.fullmatch(key) and imported_name(value[1:]):
                continue  # looked at with the others
            if "@::" in value.replace("#", "::") and not re.fullmatch(r"[\w:+]*", key, re.ASCII):
                yield Finding(file, key, "a relative reference below a key that becomes part of the expression")
            for problem in problems_with_expression(value[1:], packages, imported):
                yield Finding(file, key, f"{value[:200]}: {problem}")
        elif value.startswith("%") and (problem := problem_with_macro(value, config, configs)):
            yield Finding(file, key, problem)


def _problem_with_target(value: Any, packages: frozenset[str]) -> str | None:
    """A target must be written out; one without a module is something of MONAI's, wherever it stands there."""
    if not isinstance(value, str) or value[:1] in ("$", "@", "%", ""):
        return f"{str(value)[:100]} is computed; a target must be written out"
    if "." in value:
        return problem_with_name(value, packages)
    from monai.bundle import ComponentLocator

    modules = _locator(ComponentLocator).get_component_module_name(value)
    if not modules:
        return f"{value} is no class or function of MONAI"
    candidates = [modules] if isinstance(modules, str) else modules
    return next((problem for one in candidates if (problem := problem_with_name(f"{one}.{value}"))), None)


@cache
def _locator(kind: type) -> Any:
    return kind()
