"""The front page is two screens, and says what is asked first; metadata of the package and the citation agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import brain_bundles
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
BUNDLES = sorted(path.name for path in (ROOT / "bundles").iterdir() if path.is_dir())
SCREEN = 40  # lines, as for the help of the commands


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_it_has_two_screens():
    assert len(README.splitlines()) <= 2 * SCREEN


def test_every_bundle_has_a_row_with_its_limit_and_a_paper():
    rows = re.findall(r"^\| \[`(\w+)`\]\(\S+\) \| .{20,} \| .{20,} \|$", section("The models and their limits"), re.M)
    assert sorted(rows) == BUNDLES
    papers = re.findall(r"https://arxiv.org/abs/\d+\.\d+", section("Cite"))
    assert sorted(papers) == sorted(one["url"] for one in CITATION["references"])
    assert sorted(one["notes"].removeprefix("the method of ") for one in CITATION["references"]) == BUNDLES


def test_licences_are_those_of_the_files():
    assert PROJECT["license"] == CITATION["license"] == "Apache-2.0"
    assert section("Licences").count("| Apache-2.0 |") == 2  # code and weights
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for name in BUNDLES:
        assert (ROOT / "bundles" / name / "LICENSE").read_text(encoding="utf-8") == licence
        data = (ROOT / "bundles" / name / "docs" / "data_license.txt").read_text(encoding="utf-8")
        assert re.search("CC BY-SA 3.0", data)
        assert re.search("Permission to use, copy, modify|Apache-2.0", data)


def test_the_citation_is_of_this_version():
    assert CITATION["version"] == brain_bundles.__version__
    assert CITATION["keywords"] == PROJECT["keywords"]
    assert [one["name"] for one in CITATION["authors"]] == [one["name"] for one in PROJECT["authors"]]


def test_every_card_has_the_same_parts():
    parts = [
        "Description",
        "Intended use",
        "Data",
        "Performance",
        "Limitations",
        "Citation info",
        "References",
        "License",
    ]
    for name in BUNDLES:
        card = (ROOT / "bundles" / name / "docs" / "README.md").read_text(encoding="utf-8")
        assert [part for part in parts if f"\n## {part}\n" not in card] == []
        assert "not a medical device" in card
