"""Checks of one config: its expressions, macros, references, and keys with a meaning of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bundle_verify.config_text import id_parts, leaves, look_up_macro
from bundle_verify.expression_tree import absolute, imported_name
from bundle_verify.expressions import PATH_IDIOMS, problems_with_expression
from bundle_verify.imports import Imports, is_import
from bundle_verify.report import Finding, Problem, not_judged


def check_config(
    file: str,
    config: dict[str, Any],
    configs: Mapping[str, dict[str, Any]],
    imports: Imports,
    carried: frozenset[str],
) -> Iterator[Finding]:
    """Findings about the values of one config; :mod:`~bundle_verify.targets` checks its components.

    Args:
        file: name of the config.
        config: its content.
        configs: all configs of the bundle, for macros.
        imports: all imports of the bundle's configs.
        carried: packages that the bundle carries.
    """
    on_path = any(
        isinstance(value, str) and value[1:] in PATH_IDIOMS for one in configs.values() for _, value in leaves(one)
    )
    for key, value in leaves(config):
        for problem in _problems_with_value(key, value, config, configs, imports, carried, on_path):
            yield Finding(file, key, *problem)


def parts_of(config: dict[str, Any]) -> Iterator[str]:
    """Keys of the parts of a config that mean more than their text: components, expressions, macros, references."""
    for key, value in leaves(config):
        if id_parts(key)[-1] == "_target_" or (isinstance(value, str) and value[:1] in ("$", "@", "%")):
            yield key


def _problems_with_value(
    key: str,
    value: Any,
    own: dict[str, Any],
    configs: Mapping[str, dict[str, Any]],
    imports: Imports,
    carried: frozenset[str],
    on_path: bool,
) -> Iterator[Problem]:
    parts = id_parts(key)
    last = parts[-1]
    if "_target_" in parts[:-1]:
        yield not_judged("is part of a target; a target must be written out")
    if last == "_target_":
        return  # see check_targets
    if last == "_mode_" and value not in ("default", "callable"):
        yield Problem(f"the mode {value!r} may stop in a debugger")
    elif last == "_debug_" and value is not False:
        yield Problem("stops in a debugger")
    elif parts[0] == "bundle_root" and on_path and (len(parts) > 1 or value != "."):
        yield Problem(f"is {value!r}; it goes onto the import path, so it must be '.'")
    elif not isinstance(value, str) or is_import(value):
        return
    elif value.startswith("$"):
        # MONAI replaces the reference by its key: as code, or as the name of an import beside it.
        plain = re.fullmatch(r"[\w:+#]*", key, re.ASCII) and parts[0] != "imports"
        if re.search("[@%]::", value.replace("#", "::")) and not plain:
            yield Problem("a relative reference below a key that becomes part of the expression")
        try:
            text = absolute(value[1:], "::".join(parts))
        except ValueError as error:
            yield not_judged(str(error))
            return
        for problem in problems_with_expression(text, imports, carried):
            yield Problem(f"{value[:200]}: {problem.message}", problem.judged)
    elif value.startswith("%"):
        yield from _problems_with_macro(value, own, configs)
    elif value.startswith("@"):
        try:
            if imports.referred_to(absolute(value, "::".join(parts))):
                yield not_judged("a reference to an import")
        except ValueError as error:
            yield not_judged(str(error))


def _problems_with_macro(text: str, own: dict[str, Any], configs: Mapping[str, dict[str, Any]]) -> Iterator[Problem]:
    """Problems with a macro. Its text is checked at its own place; only imports are allowed there and not here."""
    try:
        content = look_up_macro(text, own, configs)
    except ValueError as error:
        outside = "outside of the bundle" in str(error)
        yield Problem(str(error), judged=outside)
        return
    texts = [one for _, one in leaves(content) if isinstance(one, str)]
    if any(one.startswith("$") and imported_name(one[1:]) for one in texts):
        yield not_judged("a macro to an import")
