"""Files that are either complete or absent, however a run ends."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]+\.tmp")
# Length of a file's name that every usual file system takes, in bytes, less what the temporary name adds.
MAX_NAME = 255 - len("..0123456789ab.tmp")
STALE_AFTER_S = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, exclusive: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing under a temporary name in the same folder, and rename it to ``path`` on success.

    The temporary name is hidden and unique, so several processes may write the same file at once: the file of the last
    one stays, complete. Missing folders are made.

    Args:
        path: the file.
        exclusive: never replace a file. Of several processes that create it at once one succeeds.

    Raises:
        FileExistsError: if ``exclusive`` and there is such a file.
        OSError: if the file cannot be written, such as on a full disk; it names ``path``.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    raw = None
    try:
        with _named(path):
            raw = _RememberingFile(temporary, "w")
        with io.BufferedWriter(raw) as file:
            yield cast(BinaryIO, file)
            file.flush()
            with _named(path):
                os.fsync(file.fileno())  # without this, a power failure may leave the new name with no content
        with _named(path):
            (_place_new if exclusive else os.replace)(temporary, path)
    except Exception:
        # Who writes through a library sees its error, such as one of torch's zip writer, and not the full disk.
        if raw is not None and raw.failure is not None:
            with _named(path):
                raise raw.failure from None
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], content: bytes | str, *, exclusive: bool = False) -> None:
    """Write ``content`` completely or not at all, see :func:`atomic_file`."""
    with atomic_file(path, exclusive=exclusive) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], content: Mapping[str, object], *, exclusive: bool = False) -> None:
    """Write ``content`` as indented JSON, completely or not at all, see :func:`atomic_file`."""
    atomic_write(path, json.dumps(content, indent=4) + "\n", exclusive=exclusive)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder and its parents, where they are missing.

    Raises:
        OSError: naming the folder, also where links lead back to themselves.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        with _named(Path(folder)):
            os.stat(folder)  # the error of a link that leads nowhere says more
        raise


def remove_stale_temporaries(folders: Iterable[Path]) -> None:
    """Remove temporary files of killed processes; a file younger than an hour may belong to a running process."""
    for folder in folders:
        for left in folder.glob(".*.tmp"):
            try:
                if _TEMPORARY.fullmatch(left.name) and time.time() - left.stat().st_mtime > STALE_AFTER_S:
                    left.unlink()
            except FileNotFoundError:
                continue  # renamed by its owner meanwhile


class _RememberingFile(io.FileIO):
    """A file that remembers why a write failed."""

    failure: OSError | None = None

    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file, and what to do, into the OSError of a system call."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        hint = "; make room, or choose another folder" if error.errno in _FULL else ""
        raise OSError(error.errno, f"{what}{hint}", os.fspath(path)) from None


def _place_new(temporary: Path, path: Path) -> None:
    """Give a file its name, unless there is such a file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)
