"""Arguments of the commands, checked with their names. Fire gives whatever type a text looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class UsageError(ValueError):
    """A wrong argument on the command line."""


def text(name: str, value: object) -> str:
    """A path or a word. Fire reads 7 as a number and True as a truth value, but a folder may be called 7."""
    if isinstance(value, bool) or value is None:
        raise UsageError(f"{name} needs a value, got {value!r}.")
    if not isinstance(value, (str, int, float)):
        raise UsageError(f"{name} must be text, got {value!r}; quote it.")
    return str(value)


def whole(name: str, value: object, *, least: int) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return value


def number(name: str, value: object, *, least: float = float("-inf"), most: float = float("inf")) -> float:
    """A number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}.")
    return float(value)


def truth(name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is True or False, got {value!r}.")
    return value


def extraction(name: str, value: object) -> bool | str:
    """True, False or "auto", in any spelling."""
    known: dict[str, bool | str] = {"auto": "auto", "true": True, "false": False}
    if str(value).lower() not in known:
        raise UsageError(f"{name} is auto, true or false, got {value!r}.")
    return known[str(value).lower()]


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a config with what was meant: true, false, null and none, which Fire leaves as texts, in any case."""
    meant = {"true": True, "false": False, "null": None, "none": None}
    return {key: meant.get(value.lower(), value) if isinstance(value, str) else value for key, value in given.items()}


def several(name: str, value: object) -> list[str] | None:
    """One word, words with commas between them, or a list of words; None stays None."""
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    return [text(name, word).strip() for word in words]


def triple(name: str, value: object) -> Sequence[object]:
    """Three values, one per axis."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise UsageError(f"{name} must be three numbers, for example [80,96,80], got {value!r}.")
    return value


def matching_files(patterns: Sequence[str]) -> list[str]:
    """Files that match any of the patterns, in order.

    Raises:
        FileNotFoundError: for a pattern that no file matches.
    """
    from glob import glob

    found = {pattern: glob(pattern) for pattern in patterns}
    if empty := [pattern for pattern, files in found.items() if not files]:
        raise FileNotFoundError(f"no file matches {', '.join(empty)}.")
    return sorted({file for files in found.values() for file in files})
