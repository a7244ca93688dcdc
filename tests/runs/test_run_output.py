"""The output folder of a run: its owner, the work that is left, and its split over ranks."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.data import DatasetError, read_participants, write_nifti
from brain_bundles.runs import RunOutput, make_condition_table, start_provenance
from brain_bundles.utils import hash_file

SETTINGS = {"sampler": "ddim", "num_inference_steps": 50, "precision": "fp32", "seed": 0, "weights": {"model": "ab12"}}


def make(folder: Path, n: int = 5, **changes) -> RunOutput:
    rows = changes.pop("rows", None) or make_condition_table(num_samples=n, seed=changes.pop("seed", 0))
    provenance = changes.pop("provenance", None)
    settings = {**SETTINGS, **changes}
    return RunOutput(folder, rows, settings=settings, provenance=provenance, spacing=2.0, spatial_size=(4, 5, 6))


def finish(output: RunOutput, *names: str) -> None:
    for name in names:
        write_nifti(output.path(name), np.full((4, 5, 6), 0.5), output.affine)


def names(rows: list[dict]) -> list[str]:
    return [row["participant_id"][-1] for row in rows]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_but_the_images_is_written_up_front(tmp_path):
    output = make(tmp_path / "out")
    output.prepare()
    files = snapshot(output.output_dir)
    expected = {
        "run.json",
        "participants.tsv",
        "participants.json",
        "dataset_description.json",
        "README",
        ".bidsignore",
        "T1w.json",
    }
    assert set(files) == expected
    for name in ("README", "dataset_description.json", "T1w.json"):  # a raw-like data set that says what it is
        assert b"sampled from a model" in files[name]
    assert [row["seed"] for row in read_participants(output.output_dir)] == [str(row["seed"]) for row in output.rows]
    record = json.loads(files["run.json"])
    assert record["settings"]["num_inference_steps"] == 50
    assert record["conditions"] == output.rows
    assert json.loads(files["dataset_description.json"])["GeneratedBy"][0]["Name"] == "brain-bundles"
    make(tmp_path / "out").prepare()  # the same run again
    assert snapshot(output.output_dir) == files
    make(tmp_path / "other").prepare()
    assert snapshot(tmp_path / "other") == files


def test_a_run_goes_on_where_it_stopped(tmp_path, caplog):
    output = make(tmp_path)
    assert names(output.pending()) == list("12345")
    finish(output, "sub-0001", "sub-0003", "sub-0004")
    path = output.path("sub-0003")
    path.write_bytes(path.read_bytes()[:-3])
    assert names(make(tmp_path).pending()) == list("235")
    # That images are finished is information; that one is damaged is a warning.
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "1 damaged images are made again" in warning
    assert str(path) in warning
    finish(output, *(row["participant_id"] for row in output.rows))
    assert make(tmp_path).pending() == []


@pytest.mark.parametrize("done", [(), ("sub-0002",), ("sub-0001", "sub-0002", "sub-0007")])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_do_not_depend_on_ranks_or_restarts(tmp_path, done, batch_size):
    output = make(tmp_path, n=7)
    output.prepare()
    whole = [tuple(names(output.rows[i : i + batch_size])) for i in range(0, 7, batch_size)]
    finish(output, *done)
    left = [batch for batch in whole if not {f"sub-000{name}" for name in batch} <= set(done)]
    for world_size in (1, 2, 3, 8):
        batches = []
        for rank in range(world_size):
            rows = output.pending(batch_size, rank=rank, world_size=world_size)
            # as a data loader cuts them
            batches += [tuple(names(rows[i : i + batch_size])) for i in range(0, len(rows), batch_size)]
        assert sorted(batches) == left


def test_an_item_of_several_images_is_done_whole(tmp_path):
    source = tmp_path / "T1w.nii.gz"
    write_nifti(source, np.full((4, 5, 6), 0.5), np.eye(4))
    items = [
        {
            "participant_id": f"sub-{who}",
            "image": f"{source}{who}",
            "files": [f"{who}{n}.nii.gz" for n in numbers],
            "source": "T1w",
            "targets": [f"T{n}w" for n in numbers],
            "seeds": [int(n) for n in numbers],
        }
        for who, numbers in (("a", "12"), ("b", "1"), ("c", "123"))
    ]
    output = RunOutput(tmp_path / "out", items, settings=SETTINGS)
    output._voxels = lambda row: 1  # the sources are only names here
    output.prepare()
    record = json.loads((tmp_path / "out" / "logs" / "run.json").read_text())
    rows = [("sub-a", "a1"), ("sub-a", "a2"), ("sub-b", "b1"), ("sub-c", "c1"), ("sub-c", "c2"), ("sub-c", "c3")]
    assert record["conditions"] == [
        {
            "participant_id": who,
            "file": f"{name}.nii.gz",
            "source": "T1w",
            "target": f"T{name[1]}w",
            "seed": int(name[1]),
        }
        for who, name in rows
    ]
    assert output.paths(items[0]) == [output.output_dir / "a1.nii.gz", output.output_dir / "a2.nii.gz"]
    for done in ("a1", "b1", "c1"):
        write_nifti(output.output_dir / f"{done}.nii.gz", np.full((4, 5, 6), 0.5), np.eye(4))
    assert output.pending() == [items[0], items[2]]
    shared = [output.pending(rank=rank, world_size=2) for rank in (0, 1)]
    assert shared == [[items[0], items[2]], []]
    table = {row["participant_id"]: row for row in read_participants(output.output_dir)}
    assert table["sub-b"]["seed"] == "1"
    assert table["sub-a"]["seed"] is None  # each of the images has its own


def test_another_start_with_other_settings_or_conditions_is_refused(tmp_path):
    make(tmp_path).prepare()
    before = snapshot(tmp_path)
    with pytest.raises(DatasetError) as error:
        make(tmp_path, num_inference_steps=20, weights={"model": "cd34"}, eta=0.5).pending()
    message = str(error.value)
    assert "num_inference_steps: 50 there, 20 now" in message
    assert "weights: {'model': 'ab12'} there, {'model': 'cd34'} now" in message
    assert "eta: not set there, 0.5 now" in message
    assert "give another output_dir" in message
    with pytest.raises(DatasetError, match="5 rows there, 6 now"):
        make(tmp_path, n=6).prepare()
    rows = make_condition_table(num_samples=5, seed=0)
    rows[2] = {**rows[2], "age": 77.0}
    with pytest.raises(DatasetError, match=r"sub-0003: age [\d.]+ there, 77\.0 now"):
        make(tmp_path, rows=rows).prepare()
    with pytest.raises(DatasetError, match=r"\(3 problems|conditions \(5\)"):
        RunOutput(
            tmp_path, make(tmp_path, seed=1).rows, settings=SETTINGS, spacing=2.0, spatial_size=(4, 5, 6)
        ).prepare()
    with pytest.raises(DatasetError, match=r"spacing: 2\.0 there, 1 now"):
        RunOutput(tmp_path, make(tmp_path).rows, settings=SETTINGS, spacing=1, spatial_size=(4, 5, 6)).prepare()
    assert snapshot(tmp_path) == before


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-01\n")
    (tmp_path / "sub-01").mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(
        DatasetError, match=r"it has participants\.tsv, sub-01 and no run\.json; give another output_dir"
    ):
        make(tmp_path).prepare()
    assert snapshot(tmp_path) == before
    other = tmp_path / "x"
    other.mkdir()
    (other / "run.json").write_text("{")
    with pytest.raises(DatasetError, match="unreadable"):
        make(other).prepare()


def test_a_start_that_died_early_is_gone_on_with(tmp_path):
    make(tmp_path / "a").prepare()
    whole = snapshot(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_bytes(whole["run.json"])
    make(tmp_path / "b").prepare()
    assert snapshot(tmp_path / "b") == whole


def test_a_folder_that_cannot_be_written_is_one_error_before_sampling(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot write the output: .*Make room or give another output_dir"):
        make(tmp_path / "file" / "out").pending()
    make(tmp_path / "out").prepare()  # a second start must see it, too
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        with pytest.raises(OSError, match=r"out: cannot write the output: .*Read-only file system"):
            make(tmp_path / "out").pending()
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(5 * 4 * 5 * 6 - 1))
    with pytest.raises(OSError, match=r"5 images need about 0 MiB, 0 MiB are free"):
        make(tmp_path / "out").pending()


def test_old_leftovers_of_killed_processes_are_removed(tmp_path):
    output = make(tmp_path)
    output.prepare()
    output.path("sub-0001").parent.mkdir(parents=True)
    old, young = (output.path("sub-0001").with_name(f".sub-0001_T1w.nii.gz.{n}.tmp") for n in ("aa", "bb"))
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    output.pending()
    assert not old.exists()
    assert young.exists()


def test_arguments_and_hash(tmp_path):
    with pytest.raises(ValueError, match="rank 2 of 2"):
        make(tmp_path).pending(rank=2, world_size=2)
    (tmp_path / "w.pt").write_bytes(b"abc")
    assert hash_file(tmp_path / "w.pt").startswith("ba7816bf8f01cfea414140de5dae2223")  # FIPS 180 example


def test_a_finished_run_is_bids(tmp_path, bids_errors):
    output = make(tmp_path)
    output.prepare()
    finish(output, *(row["participant_id"] for row in output.rows))
    for extra in ("preview.png", "metrics.json", "run.log"):
        (tmp_path / extra).touch()
    assert bids_errors(tmp_path) == []


def test_ranks_come_from_the_process_group(tmp_path, monkeypatch):
    output = make(tmp_path)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    assert names(output.pending(2)) == list("34")


def test_every_start_is_recorded_once_and_may_differ(tmp_path, monkeypatch):
    def starts() -> list[dict]:
        return json.loads((tmp_path / "run.json").read_text())["starts"]

    killed = make(tmp_path, provenance=start_provenance("cpu"))
    killed.prepare()
    killed.pending()
    assert starts() == [killed.record.provenance]
    assert starts()[0]["seconds"] is None
    again = make(tmp_path, provenance={**start_provenance("cpu"), "device": "cuda:0 (another)", "threads": 7})
    again.pending()
    make(tmp_path).prepare()  # records no start, and keeps those that are there
    monkeypatch.setattr("brain_bundles.runs.run_record.is_main_process", lambda: False)
    other_rank = make(tmp_path, provenance=start_provenance("cpu"))
    other_rank.pending()
    other_rank.finish()
    monkeypatch.undo()
    again.finish()
    first, second = starts()
    assert (first["threads"], first["seconds"]) == (killed.record.provenance["threads"], None)
    assert (second["threads"], second["device"]) == (7, "cuda:0 (another)")
    assert second["seconds"] >= 0
    assert json.loads((tmp_path / "run.json").read_text())["conditions"] == again.rows
