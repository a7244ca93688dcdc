"""What a check says: problems, findings at their places, and the report over a whole bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Problem(NamedTuple):
    """One problem: what is wrong, or (``judged`` is False) why something could not be judged."""

    message: str
    judged: bool = True


def not_judged(message: str) -> Problem:
    """Problem of something that is on no list of what is known."""
    return Problem(message, judged=False)


@dataclass(frozen=True)
class Finding:
    """One problem at its place: the file of the bundle, the key in that file (empty if none), and what is wrong.

    ``judged`` is False where the verifier cannot tell if anything is wrong.
    """

    file: str
    key: str
    message: str
    judged: bool = True

    def __str__(self) -> str:
        where = f"{self.file}, {self.key}" if self.key else self.file
        text = f"{where}: {'' if self.judged else 'not judged: '}{self.message}"
        # Control characters in a bundle's text must not reach the terminal.
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@dataclass(frozen=True)
class Report:
    """Result of all checks of a bundle.

    Attributes:
        findings: all that is wrong, and all that could not be judged.
        num_judged: number of judged parts: files, and components, expressions, macros and references of configs.
    """

    findings: list[Finding]
    num_judged: int

    @property
    def found(self) -> list[Finding]:
        """Findings about judged parts."""
        return [one for one in self.findings if one.judged]

    @property
    def not_judged(self) -> list[Finding]:
        """Findings that only say what could not be judged."""
        return [one for one in self.findings if not one.judged]

    def __str__(self) -> str:
        found = len(self.found) or "nothing"
        return f"{found} found in {self.num_judged} judged parts, {len(self.not_judged)} not judged"
