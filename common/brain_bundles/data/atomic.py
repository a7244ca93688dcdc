"""Files that are either whole or absent, however a run ends."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write ``content`` under a temporary name in the same folder, then rename it.

    The temporary name is hidden and unique, so several processes may write the same file at once: the last
    one wins, whole. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # else a machine that loses power may keep the new name with no content behind it
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike[str], content: Mapping[str, object]) -> None:
    """Write ``content`` as indented JSON, whole or not at all."""
    atomic_write(path, json.dumps(content, indent=4) + "\n")
