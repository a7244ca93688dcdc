"""The data set that trainings fall back on: whole or absent, made once, whoever asks and whoever is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from brain_bundles.data import read_participants
from brain_bundles.phantom import PhantomDataset, default_dataset, write_phantoms, writer

from .conftest import digest

TINY = {"spatial_size": (20, 24, 20), "spacing": 8.0, "num_workers": 1}


def test_the_default_dataset_is_made_once(tmp_path):
    options = {**TINY, "num_subjects": 1}
    dataset = PhantomDataset(tmp_path / "data", **options)
    assert str(dataset) == str(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []  # not before it is used
    folder = os.fspath(dataset)
    before = digest(Path(folder))
    assert before == digest(write_phantoms(tmp_path / "written", **options))
    assert os.fspath(PhantomDataset(tmp_path / "data", **options)) == folder
    assert digest(Path(folder)) == before
    with pytest.raises(FileExistsError, match="were made without T2w, FLAIR; remove the folder"):
        os.fspath(PhantomDataset(tmp_path / "data", **options, suffixes=["T1w", "T2w", "FLAIR"]))


def make_in_a_process(folder: Path, **environment: str) -> multiprocessing.Process:
    """A process that asks for the default dataset in ``folder``; it has begun, and knows what is patched here."""

    def make():
        os.environ.update(environment)
        writer._start_worker(os.getppid())
        os.fspath(PhantomDataset(folder, num_subjects=2, **TINY))

    process = multiprocessing.get_context("fork").Process(target=make, daemon=True)
    process.start()
    return process


def exit_code(process: multiprocessing.Process) -> int | None:
    process.join(timeout=240)
    process.kill()  # where it hangs; else it does nothing
    return process.exitcode


def test_a_killed_first_run_is_gone_and_the_next_one_makes_the_dataset(tmp_path, monkeypatch):
    """Killed at the last moment: with all images, without the table."""
    folder = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_participants", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert exit_code(make_in_a_process(folder)) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".data.")
    assert len(list(left.rglob("*_T1w.nii.gz"))) == 2
    os.fspath(PhantomDataset(folder, num_subjects=2, **TINY))
    assert digest(folder) == digest(write_phantoms(tmp_path / "whole", num_subjects=2, **TINY))
    assert left.exists()  # it was changed just now, so it may belong to a living run
    long_ago = time.time() - default_dataset.STALE_AFTER_S - 1
    os.utime(left, (long_ago, long_ago))
    os.fspath(PhantomDataset(folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "whole"]


@pytest.mark.distributed
@pytest.mark.parametrize("world_size", [1, 2])
def test_two_processes_at_once_make_one_whole_dataset(tmp_path, world_size):
    """Two runs that know nothing of each other, and two ranks of one run."""
    folder = tmp_path / "data"
    processes = [make_in_a_process(folder, WORLD_SIZE=str(world_size), RANK=str(rank)) for rank in range(2)]
    assert [exit_code(process) for process in processes] == [0, 0]
    assert digest(folder) == digest(write_phantoms(tmp_path / "whole", num_subjects=2, **TINY))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "whole"]


def test_of_two_runs_the_first_to_end_wins(tmp_path, monkeypatch):
    def overtaken(folder, **options):
        write_phantoms(tmp_path / "data", num_subjects=1, seed=1, **TINY)
        return write_phantoms(folder, **options)

    monkeypatch.setattr(default_dataset, "write_phantoms", overtaken)
    os.fspath(PhantomDataset(tmp_path / "data", num_subjects=2, **TINY))
    assert len(read_participants(tmp_path / "data")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("announced", ["by torchrun", "by torch.distributed"])
def test_other_ranks_wait_for_the_table(tmp_path, monkeypatch, announced):
    if announced == "by torchrun":
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
    else:
        monkeypatch.setattr(default_dataset.dist, "is_initialized", lambda: True)
        monkeypatch.setattr(default_dataset.dist, "get_rank", lambda: 1)
    waits = []

    def rank_0_makes_it_meanwhile(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            (tmp_path / "participants.tsv").touch()

    monkeypatch.setattr(default_dataset.time, "sleep", rank_0_makes_it_meanwhile)
    os.fspath(PhantomDataset(tmp_path, num_subjects=1, **TINY))
    assert len(waits) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["participants.tsv"]


def test_a_run_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fails(*args):
        raise OSError("no space left")

    monkeypatch.setattr(writer, "write_participants", fails)
    with pytest.raises(OSError, match="no space left"):
        os.fspath(PhantomDataset(tmp_path / "data", num_subjects=1, **TINY))
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_refused_and_an_empty_one_is_used(tmp_path):
    foreign, empty = tmp_path / "foreign", tmp_path / "empty"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="foreign is not empty"):
        os.fspath(PhantomDataset(foreign, num_subjects=1, **TINY))
    assert digest(foreign).keys() == {"thesis.txt"}
    empty.mkdir()
    os.fspath(PhantomDataset(empty, num_subjects=1, **TINY))
    assert len(read_participants(empty)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "foreign"]
