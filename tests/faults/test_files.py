"""Files that cannot be written or reached: the message names them, and nothing half-written stays."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import resource
import signal
import time
import zipfile
from pathlib import Path

import pytest
import torch
from brain_bundles.data import CachedLatents, write_nifti
from brain_bundles.phantom import PhantomDataset, write_phantoms
from brain_bundles.runs import RunOutput
from brain_bundles.utils import atomic, save_atomically
from brain_bundles.utils.atomic import atomic_file, atomic_write, make_folder


def write_text(path: Path) -> None:
    atomic_write(path, "x" * 1_000_000)


def write_tensors(path: Path) -> None:
    save_atomically({f"{i}": torch.zeros(10_000) for i in range(25)}, path)


def write_zip(path: Path) -> None:
    with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", bytes(1_000_000))


def write_volume(path: Path) -> None:
    volume = torch.rand(80, 80, 80, generator=torch.Generator().manual_seed(0))
    write_nifti(path.with_name(f"{path.name}.nii.gz"), volume.numpy(), torch.eye(4).numpy())


WRITERS = (write_text, write_tensors, write_zip, write_volume)


def in_full_disk(queue, folder: Path, writer, limit: int) -> None:
    """The system ends the write at ``limit`` bytes: a full disk for one process, with another number of the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        writer(folder / "file")
    except OSError as error:
        queue.put((type(error).__name__, error.errno, str(error)))
    except BaseException as error:
        queue.put((type(error).__name__, 0, str(error)))
    else:
        queue.put(("written", 0, ""))


@pytest.mark.parametrize("limit", [0, 1000, 70_000, 300_000, 700_000])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, writer, limit):
    """Torch's zip writer reports `unexpected pos 1001664 vs 1001616` instead."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=in_full_disk, args=(queue, tmp_path, writer, limit))
    process.start()
    kind, number, text = queue.get()
    process.join(60)
    assert (kind, number) == ("OSError", errno.EFBIG), text
    assert f"File too large: '{tmp_path}/file" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_no_space_left_says_what_to_do(tmp_path, monkeypatch, writer, call):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        disk = type("FullDisk", (io.FileIO,), {"write": full})
        monkeypatch.setattr(atomic, "_RememberingFile", type("Written", (atomic._RememberingFile, disk), {}))
    else:
        monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; make room, or choose another folder: '.*/file"):
        writer(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_content_stays_what_it_is(tmp_path):
    def reads_another(file):
        file.write(b"half")
        return (tmp_path / "other").read_bytes()

    with pytest.raises(FileNotFoundError, match="other"), atomic_file(tmp_path / "file") as file:
        reads_another(file)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def circle(tmp_path) -> Path:
    """A link that leads back to itself."""
    path = tmp_path / "circle"
    path.symlink_to(path)
    return path


@pytest.mark.parametrize("below", [(), ("data",), ("data", "phantom")])
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_circle_of_links_in_the_way_of_the_default_dataset_is_named(circle, monkeypatch, below, rank):
    """Also by the ranks that wait for it, before they wait."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    folder = circle.joinpath(*below)
    began = time.monotonic()
    with pytest.raises(OSError, match=rf"Too many levels of symbolic links; give a folder.*: '{folder}'"):
        os.fspath(PhantomDataset(folder, num_subjects=1))
    assert time.monotonic() - began < 5


def test_a_circle_of_links_in_the_way_of_other_folders_is_named(circle, tmp_path):
    rows = [{"participant_id": "sub-1"}]
    output = RunOutput(circle / "out", rows, settings={}, spacing=2.0, spatial_size=(2, 2, 2))
    for write in (
        lambda: make_folder(circle),
        lambda: make_folder(circle / "data"),
        lambda: atomic_write(circle / "file", "x"),
        output.prepare,
        lambda: write_phantoms(circle, num_subjects=1),
    ):
        with pytest.raises(OSError, match=r"Too many levels of symbolic links.*: '.*circle"):
            write()
    with pytest.raises(FileNotFoundError, match="circle does not exist"):
        CachedLatents([{"image": str(circle)}], None, torch.nn.Linear(1, 1), cache_dir=tmp_path / "cache")
    assert [path.name for path in tmp_path.iterdir()] == ["circle"]
