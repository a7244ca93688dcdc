"""Files that are either whole or absent, however a run ends."""

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
    """A file to write to under a temporary name in the same folder, which is renamed when all went well.

    The temporary name is hidden and unique, so several processes may write the same file at once: the last
    one wins, whole. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a machine that loses power may keep the new name with no content behind it
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write ``content``, whole or not at all, see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], content: Mapping[str, object]) -> None:
    """Write ``content`` as indented JSON, whole or not at all."""
    atomic_write(path, json.dumps(content, indent=4) + "\n")
