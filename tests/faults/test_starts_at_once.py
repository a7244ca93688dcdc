"""Two starts at the same instant on one folder: with other settings one is refused, with the same both go on."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from pathlib import Path

import pytest
from brain_bundles.data import DatasetError
from brain_bundles.evaluation.measurement import Measurement, write_measurements
from brain_bundles.metrics import BrainVolumes
from brain_bundles.phantom.unfinished import UnfinishedDataset
from brain_bundles.prepare import Options, runner
from brain_bundles.runs import RunOutput, start_provenance
from brain_bundles.utils import atomic
from brain_bundles.utils.atomic import atomic_write

CONTEXT = multiprocessing.get_context("fork")
STARTS = 20


def run(folder: Path, seed: int) -> None:
    rows = [{"participant_id": f"sub-{i}", "seed": i} for i in range(3)]
    options = {"settings": {"seed": seed}, "provenance": start_provenance("cpu"), "spacing": 2.0}
    RunOutput(folder, rows, **options, spatial_size=(2, 2, 2)).prepare()


def population(folder: Path, seed: int) -> None:
    UnfinishedDataset(folder, {"seed": seed})


def preparation(folder: Path, seed: int) -> None:
    runner._begin(folder, [], Options(spacing=1.0 + seed))


def answers(queue, barrier, start, folder: Path, other: bool, number: int) -> None:
    for i in range(STARTS):
        barrier.wait(60)
        try:
            start(folder / f"{i}", number if other else 0)
        except (DatasetError, FileExistsError) as error:
            queue.put((i, number, str(error)))
        else:
            queue.put((i, number, None))


@pytest.mark.parametrize(
    ("start", "record", "key", "values"),
    [
        (run, "run.json", "seed", (0, 1)),
        (population, ".unfinished/settings.json", "seed", (0, 1)),
        (preparation, "prepare/settings.json", "spacing", (1.0, 2.0)),
    ],
)
@pytest.mark.parametrize("other", [True, False])
def test_of_two_starts_at_once_one_is_refused_if_its_settings_differ(tmp_path, start, record, key, values, other):
    """Without exclusive creation both were accepted in 40 of 40."""
    queue, barrier = CONTEXT.Queue(), CONTEXT.Barrier(2)
    processes = [
        CONTEXT.Process(target=answers, args=(queue, barrier, start, tmp_path, other, number)) for number in range(2)
    ]
    for process in processes:
        process.start()
    found: dict[int, dict[int, str | None]] = {}
    for _ in range(2 * STARTS):
        i, number, text = queue.get(timeout=60)
        found.setdefault(i, {})[number] = text
    for process in processes:
        process.join(60)
    for i, texts in found.items():
        accepted = [number for number, text in texts.items() if text is None]
        there = json.loads((tmp_path / f"{i}" / record).read_text())
        assert len(accepted) == (1 if other else 2), texts
        if other:
            value = values[accepted[0]]
            assert there.get("settings", there)[key] == value
            (refusal,) = [text for text in texts.values() if text]
            assert f"{key} {value} there" in refusal or f"{key}: {value} there" in refusal
        assert not list((tmp_path / f"{i}").rglob("*.tmp"))


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_created_once(tmp_path, monkeypatch, links):
    """Also where the file system has no hard links."""
    if not links:

        def unsupported(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(atomic.os, "link", unsupported)
    atomic_write(tmp_path / "file", "one", exclusive=True)
    with pytest.raises(FileExistsError, match=rf"File exists: '{tmp_path}/file'"):
        atomic_write(tmp_path / "file", "two", exclusive=True)
    atomic_write(tmp_path / "file", "three")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "three")]
    assert oct(os.stat(tmp_path / "file").st_mode & 0o777) == oct(0o666 & ~_umask())


def test_a_table_that_appears_while_brains_are_measured_stays(tmp_path):
    """The command looks for it before it measures, for minutes."""
    table = tmp_path / "measured.tsv"
    table.write_text("of another start")
    one = Measurement("sub-1", tmp_path, BrainVolumes(20.0, 1100.0), BrainVolumes(math.nan, math.nan))
    with pytest.raises(FileExistsError, match=r"File exists: '.*measured\.tsv'"):
        write_measurements(table, [one], overwrite=False)
    assert table.read_text() == "of another start"
    write_measurements(table, [one], overwrite=True)
    assert "sub-1\t20\t1100" in table.read_text()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
