"""Help of the commands, made from their docstrings and signatures, short enough for a screen. Fire's needs three."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping

PROGRAM = "brain-bundles"
WIDTH = 100
_INDENT = 2


def overview(commands: Mapping[str, Callable[..., None]]) -> str:
    """Every command with the first sentence of its docstring."""
    column = _INDENT + max(map(len, commands)) + 2
    lines = [f"usage: {PROGRAM} COMMAND ...", "", "Commands:"]
    for name, command in commands.items():
        lines += _row(name, (inspect.getdoc(command) or "").split("\n\n")[0], column)
    return "\n".join([*lines, "", f"Arguments and an example of each: {PROGRAM} COMMAND --help"])


def command_help(name: str, command: Callable[..., None]) -> str:
    """What a command does, its arguments with their defaults, and its example.

    The docstring has paragraphs, of which the last may be ``Example: ...``, and then Google's section ``Args``.
    """
    from fire.docstrings import parse

    doc = inspect.getdoc(command) or ""
    *paragraphs, example = doc.split("\n\nArgs:")[0].split("\n\n")
    meanings = {one.name: one.description for one in parse(doc).args or []}
    lines = [_usage(name, command), ""]
    for paragraph in paragraphs:
        lines += textwrap.wrap(paragraph.replace("``", "`"), WIDTH, break_on_hyphens=False)
    rows = []
    for one in inspect.signature(command).parameters.values():
        if one.kind is not one.VAR_KEYWORD:
            label = f"--{one.name}" if one.kind is one.KEYWORD_ONLY else one.name.upper()
            rows.append((label, " ".join(meanings[one.name].split()) + _default(one)))
    column = _INDENT + max(len(label) for label, _ in rows) + 2
    lines.append("")
    for label, meaning in rows:
        lines += _row(label, meaning, column)
    return "\n".join([*lines, "", "Example:", " " * _INDENT + " ".join(example.removeprefix("Example: ").split())])


def _usage(name: str, command: Callable[..., None]) -> str:
    words = [PROGRAM, name]
    for one in inspect.signature(command).parameters.values():
        if one.kind is one.POSITIONAL_OR_KEYWORD:
            words.append(one.name.upper() if one.default is one.empty else f"[{one.name.upper()}]")
        elif one.kind is one.KEYWORD_ONLY and one.default is one.empty:
            words.append(f"--{one.name} VALUE")
    return "usage: " + " ".join([*words, "[--OPTION VALUE ...]"])


def _default(one: inspect.Parameter) -> str:
    """The default in brackets, where there is one that the text cannot say better."""
    if any(one.default is nothing for nothing in (one.empty, None, False, "")):
        return ""
    value = ",".join(map(str, one.default)) if isinstance(one.default, (list, tuple)) else one.default
    return f" [{value}]"


def _row(label: str, meaning: str, column: int) -> list[str]:
    start = (" " * _INDENT + label).ljust(column)
    return textwrap.wrap(meaning, WIDTH, initial_indent=start, subsequent_indent=" " * column, break_on_hyphens=False)
