"""List of a bundle's files with their SHA-256, in the format that ``sha256sum --check`` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

MANIFEST = "MANIFEST.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def manifest_text(hashes: Mapping[str, str]) -> str:
    """Text of a manifest: one line per file, sorted by name.

    Args:
        hashes: name within the bundle, with ``/`` -> SHA-256 in hexadecimal digits.
    """
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))


def read_manifest(text: str) -> dict[str, str]:
    """Hashes of a manifest, by name.

    Raises:
        ValueError: for a malformed line, or a name that appears twice.
    """
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(
                f"{MANIFEST}, line {number}: expected a SHA-256, two spaces and a name, got {line[:80]!r}."
            )
        if match[2] in hashes:
            raise ValueError(f"{MANIFEST}, line {number}: {match[2]} appears twice.")
        hashes[match[2]] = match[1]
    return hashes


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Differences between the expected and the found files, one line per file, sorted by name."""
    problems = []
    for name in sorted({*expected, *found}):
        if name not in found:
            problems.append(f"{name} is missing")
        elif name not in expected:
            problems.append(f"{name} is not listed")
        elif expected[name] != found[name]:
            problems.append(f"{name} has changed")
    return problems
