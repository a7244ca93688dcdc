"""Recognition of pickles, which are never run."""

from __future__ import annotations

import io
import pickletools
import re
from typing import Any, BinaryIO

from bundle_verify.report import Problem, not_judged

# The opcodes that run something, and those that only handle the stack.
_CALLS = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
_MAX_BYTES = 64 << 20
_MARK = pickletools.markobject


class _TooLongError(Exception):
    """Pickle that goes on after the part that is read."""


class _Limited:
    """Reader that hands out at most :data:`_MAX_BYTES`, so that a length in a pickle allocates no more."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.left = file, _MAX_BYTES
        self.end = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, size: int) -> bytes:
        if size > self.end - self.file.tell():
            raise EOFError
        if size > self.left:
            raise _TooLongError
        return self._take(self.file.read(size))

    def readline(self) -> bytes:
        line = self.file.readline(self.left + 1)
        if len(line) > self.left:
            raise _TooLongError
        return self._take(line)

    def _take(self, found: bytes) -> bytes:
        self.left -= len(found)
        return found


def problem_with_pickle(file: BinaryIO) -> Problem | None:
    """Problem with a file that is one pickle or several in a row, None if it is none that runs something.

    The stack is followed as an unpickler does, because a text may begin like a pickle too: it fails before it calls.
    """
    limited: Any = _Limited(file)
    try:
        while limited.left:
            if _calls_something(limited):
                return Problem("is a pickle, which can run code")
    except _TooLongError:
        return not_judged(f"begins like a pickle, and its first {_MAX_BYTES >> 20} MiB run nothing")
    except Exception:  # of many kinds: the bytes are not a pickle, or no longer one from here on
        return None
    return None


def _calls_something(file: Any) -> bool:
    """Return True if the next pickle reaches an opcode that runs something.

    Raises:
        Exception: of many kinds, if the bytes are no pickle.
    """
    stack: list[Any] = []
    for step, argument, _ in pickletools.genops(file):
        if step.name == "POP" and stack and stack[-1] is _MARK:
            stack.pop()
            continue
        if step.name == "DUP":
            stack.append(stack[-1])
            continue
        needed = list(step.stack_before)
        if _MARK in needed:
            mark = len(stack) - 1 - stack[::-1].index(_MARK)
            needed = needed[: needed.index(_MARK)]
            del stack[mark:]
        if len(stack) < len(needed) or (step.name == "INST" and not re.fullmatch(r"[\w.]+ [\w.]+", str(argument))):
            raise ValueError("not a pickle")
        if step.name in _CALLS:
            return True
        del stack[len(stack) - len(needed) :]
        stack.extend(step.stack_after)
    return False
