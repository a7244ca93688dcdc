"""Checks of one config: its imports, expressions, targets and macros."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bundle_verify.allowed_names import looked_up_argument, names_code, problem_with_looked_up, problem_with_name
from bundle_verify.config_text import leaves, look_up_macro
from bundle_verify.expression_tree import imported_name, refers_to_import
from bundle_verify.expressions import (
    problem_with_argument,
    problem_with_code_argument,
    problems_with_expression,
    problems_with_import,
)
from bundle_verify.source import Finding

# Keys that may hold an import, and expressions that put the bundle's folder on the import path.
_IMPORTS = re.compile(r"\+?imports::\d+")
_ON_PATH = ("$sys.path.insert(1, @bundle_root)", "$sys.path.append(@bundle_root)")


def check_imports(
    texts: Mapping[str, dict[str, Any]], packages: frozenset[str]
) -> tuple[dict[str, str], list[Finding]]:
    """Names that the imports of all files bind (MONAI merges the files), and findings about these imports."""
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
    """Findings about one config: everything in it that no config needs.

    Args:
        file: name of the config.
        config: its content.
        configs: all configs of the bundle, for macros.
        packages: packages whose names may be used.
        imported: names that imports bind, from :func:`check_imports`.
    """
    on_path = any(value in _ON_PATH for one in configs.values() for _, value in leaves(one) if isinstance(value, str))
    modes = _ids_with(configs, "_mode_")
    for key, value in leaves(config):
        parts = _parts(key)
        last = parts[-1]
        if problem := problem_with_argument(last, value):
            yield Finding(file, key, problem)
        if problem := _problem_with_code(parts, value, packages, imported):
            yield Finding(file, key, problem)
        if "_target_" in parts[:-1]:
            yield Finding(file, key, "is part of a target; a target must be written out")
        if last == "_target_":
            if problem := _problem_with_target(value, packages):
                yield Finding(file, key, problem)
            elif modes.get(tuple(parts[:-1]), "default") != "default" and _looks_up(value):
                yield Finding(file, key, f"{value} without a call")
        elif last == "_mode_" and value not in ("default", "callable"):
            yield Finding(file, key, f"the mode {value!r} may stop in a debugger")
        elif last == "_debug_" and value is not False:
            yield Finding(file, key, "stops in a debugger")
        elif parts[0] == "bundle_root" and on_path and (len(parts) > 1 or value != "."):
            yield Finding(file, key, f"is {value!r}; it goes onto the import path, so it must be '.'")
        elif not isinstance(value, str):
            continue
        elif value.startswith("$"):
            if _IMPORTS.fullmatch(key) and imported_name(value[1:]):
                continue  # see check_imports
            # MONAI replaces the reference by its key: as code, or as the name of an import beside it.
            plain = re.fullmatch(r"[\w:+]*", key, re.ASCII) and parts[0] != "imports"
            if re.search("[@%]::", value.replace("#", "::")) and not plain:
                yield Finding(file, key, "a relative reference below a key that becomes part of the expression")
            for problem in problems_with_expression(value[1:], packages, imported):
                yield Finding(file, key, f"{value[:200]}: {problem}")
        elif value.startswith("%"):
            yield from (Finding(file, key, problem) for problem in _problems_with_macro(value, config, configs))
        elif value.startswith("@") and refers_to_import(value):
            yield Finding(file, key, "a reference to an import")


def _parts(key: str) -> list[str]:
    """Parts of a key; ``+a::b`` and ``a#b``, as overlays write them, are the same place as ``a::b``."""
    return [part.removeprefix("+") for part in re.split("::|#", key)]


def _ids_with(configs: Mapping[str, dict[str, Any]], name: str) -> dict[tuple[str, ...], Any]:
    """Values of all entries with this name, by the place of the entry."""
    found = {}
    for config in configs.values():
        for key, value in leaves(config):
            *parts, last = _parts(key)
            if last == name:
                found[tuple(parts)] = value
    return found


def _problem_with_code(
    parts: list[str], value: Any, packages: frozenset[str], imported: Mapping[str, str]
) -> str | None:
    """Problem with a reader, writer or merger, or a list of them, which MONAI looks up by name; None if allowed."""
    *above, last = parts
    if names_code(last) or (last.isdigit() and above and names_code(above[-1])):
        return problem_with_code_argument(value, packages, imported)
    if last == "_target_" and any(map(names_code, above[-2:])) and isinstance(value, str):
        return problem_with_looked_up(value, packages)
    return None


def _problems_with_macro(text: str, own: dict[str, Any], configs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Problems with a macro. Its text is checked at its own place; only imports are allowed there and not here."""
    try:
        content = look_up_macro(text, own, configs)
    except ValueError as error:
        yield str(error)
        return
    texts = [one for _, one in leaves(content) if isinstance(one, str)]
    if any(one.startswith("$") and imported_name(one[1:]) for one in texts):
        yield "a macro to an import"


def _modules_of(name: str) -> list[str]:
    """Modules of MONAI that hold the class or function ``name``."""
    from monai.bundle import ComponentLocator

    modules = _locator(ComponentLocator).get_component_module_name(name)
    return [modules] if isinstance(modules, str) else modules or []


def _looks_up(target: str) -> bool:
    names = [target] if "." in target else [f"{module}.{target}" for module in _modules_of(target)]
    return any(map(looked_up_argument, names))


def _problem_with_target(value: Any, packages: frozenset[str]) -> str | None:
    """Problem with a target, None if it is allowed. A target without a module is a class or function of MONAI."""
    if not isinstance(value, str) or value[:1] in ("$", "@", "%", ""):
        return f"{str(value)[:100]} is computed; a target must be written out"
    if "." in value:
        return problem_with_name(value, packages)
    if not (modules := _modules_of(value)):
        return f"{value} is not a class or function of MONAI"
    return next((problem for one in modules if (problem := problem_with_name(f"{one}.{value}"))), None)


@cache
def _locator(kind: type) -> Any:
    return kind()
