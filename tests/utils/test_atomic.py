"""Files that are complete or absent."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from brain_bundles.utils.atomic import atomic_file, atomic_write, write_json


def test_folders_are_made_and_text_and_bytes_are_written(tmp_path):
    atomic_write(tmp_path / "a" / "b.txt", "äöü")
    atomic_write(tmp_path / "a" / "c.bin", b"\x00\xff")
    write_json(tmp_path / "a" / "d.json", {"one": [1]})
    assert (tmp_path / "a" / "b.txt").read_bytes() == "äöü".encode()
    assert (tmp_path / "a" / "c.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a" / "d.json").read_text() == '{\n    "one": [\n        1\n    ]\n}\n'
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.txt", "c.bin", "d.json"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    atomic_write(path, "old")

    def fails():
        with atomic_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fails()
    assert [item.read_text() for item in tmp_path.iterdir()] == ["old"]


def write_many(path: Path, letter: str) -> None:
    for _ in range(20):
        atomic_write(path, letter * 100_000)


def test_of_processes_that_write_at_once_one_wins_whole(tmp_path):
    path = tmp_path / "file"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert path.read_text() in ("a" * 100_000, "b" * 100_000)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
