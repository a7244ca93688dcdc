"""Checks of the overrides that `monai.bundle run` takes: any key, and values as Fire reads them."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigParser, scripts
from monai.utils import optional_import

from brain_bundles.utils.failure import end_with_the_cause

# Words that are written for None and for truth values in other languages; Fire leaves them as texts.
_SPELLINGS = {"null": "'$None'", "none": "'$None'", "nil": "'$None'", "true": "True", "false": "False"}
# Keys whose component reads the text "null" as None, since its values are names or null.
_NULL_IS_READ = ("perceptual_network",)
# Keys that hold a path or a name, by their ends; of 2024_01 Fire makes the number 202401.
_TEXT = re.compile(r"(^|_)(dir|root|path|file|weights|name|input|conditions|source|target|suffix)$")


def check_command_line(arguments: Sequence[str] | None = None) -> None:
    """Check the overrides of ``python -m monai.bundle run``; the first entry of ``initialize`` in every config.

    Runs that were not started by that command, such as those of a ``ConfigWorkflow`` in Python, are left alone. A run
    that fails later ends with the line of its cause, see :func:`~brain_bundles.utils.failure.end_with_the_cause`.

    Args:
        arguments: the command line after the interpreter; by default ``sys.argv``.

    Raises:
        ValueError: with every override that no config knows, beside the nearest key that one does, and every value that
            does not arrive as it was written: ``null``, ``true``, a path that is a number, a ``~`` that the shell left.
    """
    given = _given(arguments)
    if given is None:
        return
    end_with_the_cause()
    own = set(inspect.signature(scripts.run).parameters) - {"override"}
    files = [value for key, value in given if key == "config_file"]
    config = _read(files[-1]) if files and files[-1] is not None else None
    problems = {}
    for key, raw in given:
        if key in own:
            continue
        problem = _problem_with_value(key, raw)
        if problem is None and config is not None:
            problem = _problem_with_key(key, config)
        if problem:
            problems[key] = problem
    if problems:
        # The keys stand in the first line: that is the one that a search of a log for "Error" finds.
        keys = ", ".join(f"--{key}" for key in problems)
        raise ValueError("\n".join([f"These settings would not act as written: {keys}", *problems.values()]))


def given_overrides(arguments: Sequence[str] | None = None) -> dict[str, str | None] | None:
    """Options of ``python -m monai.bundle run`` as they were written; None for a run that was started otherwise.

    Args:
        arguments: the command line after the interpreter; by default ``sys.argv``.
    """
    given = _given(arguments)
    return None if given is None else dict(given)


def _given(arguments: Sequence[str] | None) -> list[tuple[str, str | None]] | None:
    """Key and value of each option of ``monai.bundle run``; None for another command."""
    words = list(sys.argv if arguments is None else arguments)
    if len(words) < 2 or Path(words[0]).parts[-3:-1] != ("monai", "bundle") or words[1] != "run":
        return None
    return list(_flags(words[2:]))


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """(key, value as written) of each ``--key value`` and ``--key=value``; None for a key without a value."""
    number = 0
    while number < len(words):
        word = words[number]
        number += 1
        if not word.startswith("--") or word == "--":
            continue
        key, equals, value = word[2:].partition("=")
        if equals:
            yield key.replace("#", "::"), value
        elif number < len(words) and not words[number].startswith("--"):
            yield key.replace("#", "::"), words[number]
            number += 1
        else:
            yield key.replace("#", "::"), None


def _parsed(raw: str) -> Any:
    """The value that Fire makes of a word."""
    parse, _ = optional_import("fire.parser", name="DefaultParseValue")
    return parse(raw)


def _read(config_file: str) -> ConfigParser:
    files = _parsed(config_file)
    parser = ConfigParser()
    parser.read_config([str(one) for one in files] if isinstance(files, (list, tuple)) else str(files))
    return parser


def _problem_with_value(key: str, raw: str | None) -> str | None:
    if raw is None:
        return None
    if raw == "null" and key in _NULL_IS_READ:
        return None
    if raw.lower() in _SPELLINGS and raw not in ("True", "False"):
        return f"  --{key} {raw} arrives as a text or not at all; write --{key} {_SPELLINGS[raw.lower()]}"
    name = key.split("::")[-1]
    if _TEXT.search(name):
        if raw.startswith("~"):
            return (
                f"  --{key}={raw}: the shell leaves a ~ after = and in quotes; write --{key} {raw}, or the whole path"
            )
        value = _parsed(raw)
        if not isinstance(value, (str, list, tuple, dict)):
            return f"  --{key} {raw} is read as {value!r}, not as a name; quote it twice: --{key} \"'{raw}'\""
    return None


def _problem_with_key(key: str, config: ConfigParser) -> str | None:
    """A text on a key that the configs do not have and whose component does not take it."""
    if key in config:
        return None
    parent, _, name = key.rpartition("::")
    if parent and parent not in config:
        return _problem_with_key(parent, config)
    block = config.get(parent) if parent else config.get()
    if isinstance(block, list):
        return f"  --{key}: {parent} has {len(block)} entries, numbered from 0"
    arguments = _arguments_of(block)
    if arguments is None or name in arguments or name.startswith("_"):
        return None
    near = difflib.get_close_matches(name, [*map(str, block), *arguments], n=1, cutoff=0.5)
    prefix = f"{parent}::" if parent else ""
    hint = f"; did you mean --{prefix}{near[0]}?" if near else ""
    return f"  --{key} is not a key of {parent or 'the config'}{hint}"


def _arguments_of(block: Any) -> set[str] | None:
    """Names of the arguments that a component of a config takes; None where it takes any, or cannot be looked at."""
    if not isinstance(block, Mapping) or "_target_" not in block:
        return set()
    target = locate(str(block["_target_"]))
    if target is None:
        return None
    parameters = inspect.signature(target).parameters.values()  # type: ignore[arg-type]
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return {one.name for one in parameters}
