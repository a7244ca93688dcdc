"""kill -9: what was begun is continued to the bytes of an uninterrupted run, and no worker lives on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from brain_bundles import workers
from brain_bundles.data import read_participants
from brain_bundles.phantom import template_subject, unfinished, write_phantoms, writer
from monai.data import DataLoader

TINY = {"spatial_size": (20, 24, 20), "spacing": 8.0, "suffixes": ("T1w", "T2w")}
CONTEXT = multiprocessing.get_context("fork")


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(numbers: Iterable[int], seconds: float = 20) -> list[int]:
    """The processes that live after that time; they are then ended."""
    deadline = time.monotonic() + seconds
    while (left := [number for number in numbers if lives(number)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for number in left:
        os.kill(number, signal.SIGKILL)
    return left


def children(number: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


def kill_when(process, ready, seconds: float = 240) -> list[int]:
    """Kill a process as soon as ``ready()``; return the ids of its children."""
    deadline = time.monotonic() + seconds
    while not ready() and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.is_alive()
    below = children(process.pid)
    process.kill()
    process.join()
    return below


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("whole"), num_subjects=4, num_workers=1, **TINY)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@needs_proc
@pytest.mark.parametrize("images", [1, 5, 9])
def test_a_phantom_population_is_continued_and_no_worker_writes_on(tmp_path, whole, monkeypatch, images):
    folder = tmp_path / "data"
    options = {"num_subjects": 4, "num_workers": 2, **TINY}
    with monkeypatch.context() as patch:  # slow enough to be killed in time
        real_labels = template_subject.write_labels
        patch.setattr(
            template_subject, "write_labels", lambda *given, **named: time.sleep(0.3) or real_labels(*given, **named)
        )
        process = CONTEXT.Process(target=write_phantoms, args=(folder,), kwargs=options)
        process.start()
    below = kill_when(process, lambda: len(list(folder.rglob("*.nii.gz"))) >= images)
    assert len(below) == 2
    assert wait_for_end(below) == []
    assert not (folder / "participants.tsv").exists()
    done = {path.name: path.stat().st_ino for path in folder.glob("sub-*/anat/*.nii.gz")}
    noted = {path.stem for path in (folder / ".unfinished").glob("sub-*.json")}
    with pytest.raises(FileExistsError, match=r"other settings \(seed 0 there, 1 now\)\. Give those settings to cont"):
        write_phantoms(folder, **{**options, "seed": 1})
    written = []
    real = writer._write_subject
    monkeypatch.setattr(writer, "_write_subject", lambda *job: written.append(job[1]) or real(*job))
    write_phantoms(folder, **{**options, "num_workers": 1})
    assert set(written) == {f"sub-000{i}" for i in range(1, 5)} - noted
    assert files(folder) == files(whole)
    for name in noted:  # finished subjects stay as they are
        assert (folder / name / "anat" / f"{name}_T1w.nii.gz").stat().st_ino == done[f"{name}_T1w.nii.gz"]
    with pytest.raises(FileExistsError, match="is not empty; phantoms are written into"):
        write_phantoms(folder, **options)


@pytest.mark.parametrize("where", ["before anything", "before the settings", "before the table", "after the table"])
def test_a_phantom_population_is_continued_from_its_edges(tmp_path, whole, monkeypatch, where):
    folder = tmp_path / "data"
    options = {"num_subjects": 4, "num_workers": 1, **TINY}
    if where == "before anything":
        folder.mkdir()
    elif where == "before the settings":
        (folder / ".unfinished").mkdir(parents=True)
        (folder / ".unfinished" / ".settings.json.0123456789ab.tmp").write_text("{")
    else:
        target = (writer, "write_participants") if where == "before the table" else (unfinished.Path, "rmdir")
        with monkeypatch.context() as patch:
            patch.setattr(*target, lambda *_: os._exit(9))
            process = CONTEXT.Process(target=write_phantoms, args=(folder,), kwargs=options)
            process.start()
            process.join(240)
            assert process.exitcode == 9
    if where == "after the table":
        assert files(folder) == files(whole)
        return
    write_phantoms(folder, **options)
    assert files(folder) == files(whole)


def test_a_damaged_image_or_note_of_an_unfinished_population_is_made_again(tmp_path, whole, monkeypatch):
    folder = tmp_path / "data"
    options = {"num_subjects": 4, "num_workers": 1, **TINY}
    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_participants", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_phantoms(folder, **options)
    image = folder / "sub-0002" / "anat" / "sub-0002_T1w.nii.gz"
    image.write_bytes(image.read_bytes()[:-9])
    (folder / ".unfinished" / "sub-0003.json").write_text("{")
    write_phantoms(folder, **options)
    assert files(folder) == files(whole)
    assert len(read_participants(folder)) == 4


class Slow(torch.utils.data.Dataset):
    """Items that fill the pipe to the main process, so that a worker of torch's loader waits in it for ever."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"text": "a" * 50_000, "values": torch.zeros(4)}


def load_and_wait(report: Path) -> None:
    workers.end_forked_with_this_process()
    iterator = iter(DataLoader(Slow(), batch_size=2, num_workers=3, prefetch_factor=4))
    next(iterator)
    report.write_text(json.dumps([worker.pid for worker in iterator._workers]))
    time.sleep(600)


@needs_proc
def test_workers_of_a_data_loader_end_with_it(tmp_path):
    """Without this two of three lived on (torch 2.13)."""
    process = CONTEXT.Process(target=load_and_wait, args=(tmp_path / "workers",))
    process.start()
    below = kill_when(process, lambda: (tmp_path / "workers").exists() and (tmp_path / "workers").read_text())
    known = json.loads((tmp_path / "workers").read_text())
    assert set(known) <= set(below)
    assert wait_for_end(known) == []


RANK = """
import os, sys, time
from brain_bundles.utils import finish_distributed, init_distributed
init_distributed("gloo")
open(sys.argv[1] + os.environ["RANK"], "w").write(str(os.getpid()))
time.sleep(600)
"""


@needs_proc
@pytest.mark.distributed
def test_ranks_end_with_torchrun(tmp_path):
    (tmp_path / "rank.py").write_text(RANK)
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    process = subprocess.Popen([*launch, str(tmp_path / "rank.py"), str(tmp_path / "pid")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    reports = [tmp_path / f"pid{rank}" for rank in range(2)]
    while not all(path.exists() and path.read_text() for path in reports) and time.monotonic() < deadline:
        time.sleep(0.1)
    ranks = [int(path.read_text()) for path in reports]
    process.kill()
    process.wait()
    assert wait_for_end(ranks) == []
