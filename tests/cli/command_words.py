"""What a command line gives to its command, without running it."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import brain_bundles
import fire
from brain_bundles.cli import check_flags
from brain_bundles.cli.command_line import COMMANDS

BUNDLES = Path(__file__).parents[2] / "bundles"


def given_to_command(words: list[str]) -> dict[str, Any]:
    """Bind words (command first) to the arguments of their command, as Fire does.

    Keys of a config, which commands with ``**options`` take, are checked against the config of the bundle.

    Raises:
        UsageError: for an option that the command does not have.
        ValueError: for an option that the bundle's config does not have.
        SystemExit: for arguments that are missing or too many.
    """
    command = COMMANDS[words[0]]
    signature = inspect.signature(command)
    calls: list[inspect.BoundArguments] = []

    @functools.wraps(command)
    def record(*args: Any, **options: Any) -> None:
        calls.append(signature.bind(*args, **options))

    check_flags(words)
    fire.Fire({words[0]: record}, command=words)
    (call,) = calls
    call.apply_defaults()
    if "options" in call.arguments:
        name = Path(call.arguments["bundle"]).name.split("_v")[0]
        brain_bundles.load(BUNDLES / name).check(call.arguments["options"])
    return call.arguments
