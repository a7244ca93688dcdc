"""Checksums of a folder, in the form that ``sha256sum -c`` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brain_bundles.phantom.unfinished import PROGRESS
from brain_bundles.runs.run_record import RUN_FILE
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.fingerprint import hash_file

SUMS = "SHA256SUMS"


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Write SHA256SUMS with the hash of each of the files, which lie below ``folder``."""
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    atomic_write(folder / SUMS, "".join(f"{hash_file(folder / name)}  {name}\n" for name in names))


def content_of(folder: Path) -> list[Path]:
    """The files of a dataset, but for the notes of its making: run.json says when a run started, and how long it took.

    So two sets of the same brains have the same checksums.
    """
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (RUN_FILE, SUMS))
    return [path for path in files if PROGRESS not in path.relative_to(folder).parts]
