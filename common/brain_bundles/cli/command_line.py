"""The command line: ``brain-bundles COMMAND``, the same as ``python -m brain_bundles COMMAND``.

A command is a thin function with its imports inside, so that help is instant. Exit codes: 0 success, 1 a problem with
the data or the machine, 2 a wrong command line.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import sys
from collections.abc import Callable, Sequence

from brain_bundles.cli.arguments import UsageError
from brain_bundles.cli.bundle_commands import convert, export, pack, recipe, verify
from brain_bundles.cli.compare_commands import compare_populations
from brain_bundles.cli.data_commands import measure, phantom, prepare
from brain_bundles.cli.evaluate_command import evaluate_rows
from brain_bundles.cli.help_text import PROGRAM, command_help, overview
from brain_bundles.cli.run_commands import generate, get, segment, translate
from brain_bundles.cli.synthesise_command import synthesise

logger = logging.getLogger("brain_bundles")


COMMANDS: dict[str, Callable[..., None]] = {
    "compare-populations": compare_populations,
    "convert": convert,
    "evaluate-rows": evaluate_rows,
    "export": export,
    "generate": generate,
    "get": get,
    "measure": measure,
    "pack": pack,
    "phantom": phantom,
    "prepare": prepare,
    "recipe": recipe,
    "segment": segment,
    "synthesise": synthesise,
    "translate": translate,
    "verify": verify,
}


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse misspelt options before anything runs: Fire would first run the command without them.

    Raises:
        UsageError: for an unknown option; the message lists the options of the command.
    """
    if not arguments or arguments[0] not in COMMANDS:
        return
    parameters = inspect.signature(COMMANDS[arguments[0]]).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return  # the keys of a config, which the bundle checks
    known = list(parameters)
    for argument in arguments[1:]:
        if argument == "--":
            return  # Fire's own flags follow
        flag = argument.lstrip("-").split("=")[0].replace("-", "_")
        if argument.startswith("--") and flag not in {*known, "help", *(f"no{name}" for name in known)}:
            near = difflib.get_close_matches(flag, known, n=1)
            hint = f"; did you mean --{near[0]}?" if near else "."
            raise UsageError(
                f"{arguments[0]} has no option --{flag}, it has {', '.join(f'--{n}' for n in known)}{hint}"
            )


def help_asked(arguments: Sequence[str]) -> str | None:
    """The help that a command line asks for, or None. Fire would take ``--help`` for one of ``**options``."""
    words = list(arguments)[: arguments.index("--")] if "--" in arguments else list(arguments)
    if words and not {"--help", "-h"} & set(words):
        return None
    command = COMMANDS.get(words[0]) if words else None
    return overview(COMMANDS) if command is None else command_help(words[0], command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 or 2."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if asked := help_asked(arguments):
        print(asked)
        return 0
    import fire

    try:
        check_flags(arguments)
        fire.Fire(COMMANDS, command=arguments, name=PROGRAM)
    except UsageError as error:
        logger.error("%s See: %s %s --help", error, PROGRAM, arguments[0])
        return 2
    except (ValueError, OSError, ImportError) as error:
        logger.error("%s", error)
        return 1
    except SystemExit as error:  # Fire: 0 after help, 2 for a command line that it cannot parse
        return error.code if isinstance(error.code, int) else 1
    return 0
