"""Rules for values of arguments, and the check of a call against a known component."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bundle_verify.component import RULES, Component
from bundle_verify.components import known_component, listed
from bundle_verify.report import Problem, not_judged


class Named(str):
    """Dotted name of a class or function, as the value of an argument."""


class Computed:
    """Value of an argument that the text does not tell."""


COMPUTED = Computed()


def problems_with_call(
    component: Component,
    positional: list[Any],
    keywords: Mapping[str, Any],
    *,
    starred: bool = False,
    double_starred: bool = False,
) -> Iterator[Problem]:
    """Problems with the arguments of a call.

    Args:
        component: what is called.
        positional: values by position: constants, lists, :class:`Named` or :data:`COMPUTED`.
        keywords: values by name.
        starred: the call has further arguments by position, from a list that is computed.
        double_starred: the call has further arguments by name, from a dictionary that is computed.
    """
    name = component.name
    if len(positional) > len(component.positional) and not component.any_positional:
        yield not_judged(f"{name} with more than {len(component.positional)} arguments by position")
    if starred and component.guarded:
        yield not_judged(f"{name}: {_guards(component)} must be written out")
    if double_starred and (component.guarded or not component.any_keyword):
        yield not_judged(f"{name}: {_guards(component) or 'arguments'} must be written out")
    if not component.any_keyword and (
        unknown := [one for one in keywords if one not in component.keywords | RULES.keys()]
    ):
        yield not_judged(f"{name} with the argument {unknown[0]}, which is not known")
    values = {**dict(zip(component.positional, positional, strict=False)), **keywords}
    for argument, rule in component.rules.items():
        if argument in values:
            problem = _RULES[rule](argument, values[argument])
        else:
            problem = not_judged(f"{name} needs {argument}") if rule == "given" else None
        if problem:
            yield problem


def _guards(component: Component) -> str:
    return ", ".join(name for name in component.rules if name in component.keywords)


def _false(argument: str, value: Any) -> Problem | None:
    return None if value is False else Problem(f"{argument} can run what a file holds")


def _true(argument: str, value: Any) -> Problem | None:
    return None if value is True else Problem(f"{argument} can run what a file holds")


def _pickle(argument: str, value: Any) -> Problem | None:
    return None if value == "pickle" else not_judged(f"{argument} is not 'pickle'")


def _code(argument: str, value: Any) -> Problem | None:
    """Readers, writers and mergers: MONAI looks up their names and calls what it finds."""
    if isinstance(value, (list, tuple)):
        return next((problem for one in value if (problem := _code(argument, one))), None)
    if value is None:
        return None
    if not isinstance(value, str):
        return not_judged(f"{argument} names code and must be written out")
    if not value.lower().endswith(("reader", "writer", "merger")):
        return not_judged(f"{value} is not a reader, writer or merger")
    if "." in value:
        found = known_component(str(value))
        return found if isinstance(found, Problem) else None
    known = {
        name.rpartition(".")[2].lower() for name in listed() if name.startswith(("monai.data.", "monai.inferers."))
    }
    return None if value.lower() in known else not_judged(f"{value} is not one of MONAI's")


def _format(argument: str, value: Any) -> Problem | None:
    if not isinstance(value, str) or isinstance(value, Named):
        return not_judged(f"{argument}: a format that is not written out")
    return problem_with_format(value)


def problem_with_format(text: str) -> Problem | None:
    """Problem with a format string: ``{0.__class__}`` reaches any attribute, ``{}`` and ``{name:.2f}`` do not."""
    try:
        fields = [(name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name is not None]
    except ValueError as error:
        return not_judged(f"a format that cannot be read ({error})")
    for name, spec in fields:
        if "._" in name:
            return Problem("a format string that reaches private attributes")
        if "." in name or "[" in name:
            return not_judged("a format string that reaches attributes")
        if spec and (problem := problem_with_format(spec)):
            return problem
    return None


def _class_name(argument: str, value: Any) -> Problem | None:
    plain = isinstance(value, str) and not isinstance(value, Named) and re.fullmatch(r"[A-Z]\w*", value, re.ASCII)
    return None if plain else not_judged(f"{argument} is not the name of a class")


def _read_mode(argument: str, value: Any) -> Problem | None:
    return None if value in ("r", "rb", "rt") else not_judged(f"the name open with the {argument} {value!r}")


def _function(argument: str, value: Any) -> Problem | None:
    return None if isinstance(value, Named) else not_judged(f"{argument} is not a function that is written out")


_RULES: Mapping[str, Callable[[str, Any], Problem | None]] = {
    "false": _false,
    "true": _true,
    "pickle": _pickle,
    "code": _code,
    "format": _format,
    "class_name": _class_name,
    "read_mode": _read_mode,
    "function": _function,
    "given": lambda argument, value: None,
}
