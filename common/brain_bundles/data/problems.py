"""All problems of a dataset in one exception."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

_SHOWN = 20


def first_names(names: Sequence[object], number: int = 10) -> str:
    """The first names of a list for a message, and how many more there are."""
    more = f" and {len(names) - number} more" if len(names) > number else ""
    return ", ".join(map(str, names[:number])) + more


class DatasetError(ValueError):
    """A dataset or table that cannot be used as it is.

    Attributes:
        problems: every finding, as (kind, detail) pairs; the message groups them by kind, with counts.
    """

    def __init__(self, where: str | os.PathLike[str], problems: Iterable[tuple[str, str]]) -> None:
        self.problems = list(problems)
        number = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__(f"{os.fspath(where)}: {number}.\n{grouped(self.problems)}")


def grouped(findings: Iterable[tuple[str, str]]) -> str:
    """Text of (kind, detail) pairs, one kind after the other with its count and its first details."""
    kinds: dict[str, list[str]] = {}
    for kind, detail in findings:
        kinds.setdefault(kind, []).append(detail)
    lines = []
    for kind, details in kinds.items():
        lines.append(f"{kind} ({len(details)}):")
        lines += [f"  {detail}" for detail in details[:_SHOWN]]
        if len(details) > _SHOWN:
            lines.append(f"  ... and {len(details) - _SHOWN} more")
    return "\n".join(lines)


def raise_problems(where: str | os.PathLike[str], problems: Iterable[tuple[str, str]]) -> None:
    """Raise one :class:`DatasetError` if there is any problem."""
    problems = list(problems)
    if problems:
        raise DatasetError(where, problems)


class ImageError(ValueError):
    """An image that cannot be used.

    Attributes:
        kind: what is wrong, in the words that group such files in a :class:`DatasetError`.
        detail: the same with its numbers and what to do, without the file's name.
    """

    def __init__(self, kind: str, detail: str, path: str | os.PathLike[str] | None = None) -> None:
        self.kind, self.detail = kind, detail
        super().__init__(f"{kind}: {detail}" if path is None else f"{os.fspath(path)}: {kind}: {detail}")
