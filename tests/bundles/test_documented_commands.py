"""Every command of the docs names files, settings and options that exist: MONAI accepts a misspelt setting silently."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from brain_bundles.cli.command_line import COMMANDS
from monai.bundle import ConfigParser

from ..cli.command_words import given_to_command

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("bundles/*/docs/README.md")])
RUNNERS = {"config_file", "bundle_root", "meta_file", "logging_file", "runner_id", "workflow_type"}  # of MONAI


def commands(text: str) -> list[list[str]]:
    """List the words of each ``monai.bundle run`` in code blocks and between backticks, without comments."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    spans = [span for line in lines for span in re.findall(r"`([^`]+)`", line)]
    found = [one for one in [*lines, *spans] if "configs/" in one and re.search(r"monai\.bundle run|^\$run ", one)]
    return [shlex.split(one.strip().strip("`"), comments=True) for one in found if one.count("`") < 2]


def own_commands(text: str) -> list[list[str]]:
    """List the words of each ``brain-bundles COMMAND`` in code blocks, up to the end of its command line."""
    blocks = "\n".join(re.findall(r"^ *```bash\n(.*?)^ *```", text, flags=re.M | re.S)).replace("\\\n", " ")
    found = []
    for line in re.findall(r"(?:brain-bundles|-m brain_bundles) +(.*)", blocks):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        ends = [number for number, word in enumerate(words) if set(word) <= set(";&|<>()")]
        found.append(words[: min(ends, default=len(words))])
    return found


def problems(words: list[str]) -> list[list[str]]:
    """List for each bundle the parts of the command that it lacks; a command fits if one of the lists is empty."""
    files = [name for word in words for name in re.findall(r"configs/\w+\.json", word)]
    keys = [word[2:].split("=")[0] for word in words if word.startswith("--")]
    keys = [key for key in keys if key not in RUNNERS and not key.startswith(("nproc", "standalone", "nnodes", "rdzv"))]
    results = []
    for bundle in sorted((ROOT / "bundles").iterdir()):
        if lacking := [name for name in files if not (bundle / name).is_file()]:
            results.append(lacking)
            continue
        config = ConfigParser()
        config.read_config([str(bundle / name) for name in files])
        results.append([key for key in keys if key not in config])
    return results


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_documented_commands_name_what_exists(document):
    found = commands(document.read_text())
    front = document.parent == ROOT or ROOT / "bundles" in document.parents  # the front page, and the cards
    assert found or not front  # these show how to run something
    for words in found:
        lacking = problems(words)
        assert [] in lacking, f"{' '.join(words)}: {lacking}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_documented_commands_of_ours_parse(document):
    found = own_commands(document.read_text())
    assert found or document != ROOT / "README.md"
    for words in found:
        try:
            given_to_command(words)
        except (ValueError, SystemExit) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


def test_commands_of_ours_are_found():
    text = (
        "```bash\nx=$(brain-bundles get a --release b)  # c\npython -m brain_bundles \\\n  verify z.zip | less\n```\n"
    )
    assert own_commands(text) == [["get", "a", "--release", "b"], ["verify", "z.zip"]]
    assert {"get", "verify"} <= set(COMMANDS)
