"""The help of every command fits a screen, and its example is a command line that parses."""

from __future__ import annotations

import inspect
import shlex

import pytest
from brain_bundles import cli
from brain_bundles.cli import UsageError
from brain_bundles.cli.command_line import COMMANDS
from brain_bundles.cli.help_text import command_help

from .command_words import given_to_command


def help_of(words: list[str], capsys) -> list[str]:
    assert cli.main(words) == 0
    return capsys.readouterr().out.splitlines()


def example(lines: list[str]) -> list[str]:
    assert lines.count("Example:") == 1
    assert lines[-2] == "Example:"
    return shlex.split(lines[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen_and_ends_with_an_example(name, capsys):
    lines = help_of([name, "--help"], capsys)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    program, *words = example(lines)
    assert (program, words[0]) == ("brain-bundles", name)
    given_to_command(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_a_row_with_its_meaning(name, capsys):
    text = "\n".join(help_of([name, "--help"], capsys))
    for one in inspect.signature(COMMANDS[name]).parameters.values():
        if one.kind is not one.VAR_KEYWORD:
            label = f"--{one.name}" if one.kind is one.KEYWORD_ONLY else one.name.upper()
            assert len(text.split(f"\n  {label} ")[1].split("\n")[0].strip()) > 8


def test_help_says_defaults_and_what_is_needed():
    def paint(wall: str, room: str = "all", *, colour: str, coats: int = 0, dry: bool = True, by: str | None = None):
        """Paint a wall, ``twice`` or more often, which is a sentence that is so long that it does not fit in one line.

        More about it.

        Example: brain-bundles paint north --colour red

        Args:
            wall: the wall.
            room: its room.
            colour: a colour,
                such as red.
            coats: number.
            dry: wait.
            by: who.
        """

    assert command_help("paint", paint).splitlines() == [
        "usage: brain-bundles paint WALL [ROOM] --colour VALUE [--OPTION VALUE ...]",
        "",
        "Paint a wall, `twice` or more often, which is a sentence that is so long that it does not fit in one",
        "line.",
        "More about it.",
        "",
        "  WALL      the wall.",
        "  ROOM      its room. [all]",
        "  --colour  a colour, such as red.",
        "  --coats   number. [0]",
        "  --dry     wait. [True]",
        "  --by      who.",
        "",
        "Example:",
        "  brain-bundles paint north --colour red",
    ]


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["nothing", "--help"]])
def test_the_overview_names_every_command(words, capsys):
    lines = help_of(words, capsys)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert [name for name in COMMANDS if not any(line.startswith(f"  {name} ") for line in lines)] == []


@pytest.mark.parametrize("words", [["generate", "-h"], ["generate", "--age", "80", "--help"]])
def test_help_runs_nothing(words, capsys):
    """Fire would hand --help on to a command that takes any option."""
    assert help_of(words, capsys)[0] == "usage: brain-bundles generate [--OPTION VALUE ...]"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["phantom", "DIR", "--num_subject", "3"], UsageError),
        (["generate", "--agee", "3"], ValueError),
        (["translate"], SystemExit),
    ],
)
def test_what_does_not_parse_is_found(words, error):
    with pytest.raises(error):
        given_to_command(words)
