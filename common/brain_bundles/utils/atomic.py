"""Files that are either complete or absent, however a run ends."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing under a temporary name in the same folder, and rename it to ``path`` on success.

    The temporary name is hidden and unique, so several processes may write the same file at once: the file of the last
    one stays, complete. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # without this, a power failure may leave the new name with no content
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write ``content`` completely or not at all, see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], content: Mapping[str, object]) -> None:
    """Write ``content`` as indented JSON, completely or not at all."""
    atomic_write(path, json.dumps(content, indent=4) + "\n")
