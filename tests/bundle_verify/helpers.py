"""What tests of the verifier share: to change a config, to list findings, and a pickle that runs code."""

from __future__ import annotations

import json
from pathlib import Path

from bundle_verify import verify


def change(path: Path, key: str, value: object) -> None:
    """Set one top-level key of a config."""
    content = json.loads(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))


def found(path: Path) -> list[str]:
    """Everything that is wrong with a bundle or was not judged, as text."""
    return [str(finding) for finding in verify(path).findings]


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))
