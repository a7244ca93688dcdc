"""The last line of a failed run: its cause, and what to do."""

from __future__ import annotations

import sys
from types import TracebackType

OURS = ("brain_bundles", "brain_mri_")


def end_with_the_cause() -> None:
    """Print the cause of an uncaught error once more, below Python's traceback.

    MONAI wraps an error once for each component of a config and ends with ``Failed to instantiate component``; the
    cause stands many lines above. Calling this twice changes nothing.
    """
    previous = sys.excepthook
    if getattr(previous, "ends_with_the_cause", False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        previous(kind, error, trace)
        if (cause := cause_of(error)) is not error:
            print(f"\nThe cause: {type(cause).__name__}: {cause}", file=sys.stderr)

    hook.ends_with_the_cause = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def cause_of(error: BaseException) -> BaseException:
    """The error in the chain of causes that says most to a user.

    It is the innermost one that this collection raised, since its message names the file and what to do; what lies
    below that are errors of libraries that the message replaces. Without one it is the innermost of all.
    """
    chain = [error]
    while (
        below := chain[-1].__cause__ or (None if chain[-1].__suppress_context__ else chain[-1].__context__)
    ) is not None:
        chain.append(below)
    ours = [one for one in chain if _raised_by(one).startswith(OURS)]
    return (ours or chain)[-1]


def _raised_by(error: BaseException) -> str:
    """Name of the module whose code raised an error; empty where it has no traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
