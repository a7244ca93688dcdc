"""Checks of a bundle's logging configuration."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator

from bundle_verify.report import Finding
from bundle_verify.source import BundleSource


def check_logging(source: BundleSource) -> Iterator[Finding]:
    """Findings about logging configs: MONAI loads the file by itself, and Python's loader runs its content."""
    for name in source.names:
        if not name.lower().endswith(".conf"):
            continue
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(source.read(name).decode())
        except (configparser.Error, ValueError) as error:  # also for a text that is not UTF-8
            yield Finding(name, "", f"cannot be read ({error})", judged=False)
            continue
        for section in parser.sections():
            kind = parser[section].get("class", "StreamHandler").removeprefix("logging.")
            if kind not in ("StreamHandler", "FileHandler", "NullHandler", "Formatter"):
                yield Finding(name, section, f"the class {kind} is not in the allow-list", judged=False)
            for key in ("args", "kwargs"):
                if problem := _problem_with_arguments(parser[section].get(key, "()"), kind == "FileHandler"):
                    yield Finding(name, section, f"{key} {problem}")


def _problem_with_arguments(text: str, file: bool) -> str | None:
    """Problem with a handler's arguments. Allowed: constants, the standard streams, files below the current folder."""
    if "%" in text or len(text) > 1000:
        return "are more than constants and the standard streams"
    try:
        value = ast.literal_eval(re.sub(r"\bsys\.std(out|err)\b", "None", text))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return "are more than constants and the standard streams"
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,):
        if file and isinstance(part, str) and (part.startswith(("/", "\\", "~")) or ".." in part or ":" in part):
            return f"write to {part!r}, outside of the current folder"
    return None
