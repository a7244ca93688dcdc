"""Every decision has a number and a status, and a superseded one names later records."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "decisions.md"
STATUS = re.compile(
    r"\*Status: (accepted|(?:accepted; [a-z ]+ )?superseded by (\[\d+\]\(#\d+\)(?: and \[\d+\]\(#\d+\))*))\.\*"
)


def records() -> dict[int, tuple[str, str]]:
    """Number -> status line and text, in the order of the page."""
    parts = re.split(r"^## (\d+)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    found = {}
    for number, body in zip(parts[::2], parts[1::2], strict=True):
        status, _, text = body.strip().partition("\n\n")
        found[int(number)] = (status, text)
    return found


def test_numbers_run_on_from_1():
    assert list(records()) == list(range(1, len(records()) + 1))
    assert len(records()) >= 110


def test_every_record_has_a_status_and_a_sentence_in_bold():
    wrong = [number for number, (status, _) in records().items() if not STATUS.fullmatch(status)]
    assert wrong == []
    assert [number for number, (_, text) in records().items() if "**" not in text.split("\n\n")[0]] == []


def test_what_is_superseded_names_a_later_record():
    later = {}
    for number, (status, _) in records().items():
        for text, anchor in re.findall(r"\[(\d+)\]\(#(\d+)\)", status):
            assert text == anchor
            later.setdefault(number, []).append(int(text))
    assert later[15] == [64]
    assert [
        number for number, others in later.items() if not all(number < one <= len(records()) for one in others)
    ] == []
