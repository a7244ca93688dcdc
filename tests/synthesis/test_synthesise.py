"""A set is the same however it was made: by one process or several, at once or after kills, on a disk that was full."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from brain_bundles.data import DatasetError, read_participants
from brain_bundles.runs import make_condition_table
from brain_bundles.synthesis import Plan, Share, contrasts, synthesise
from brain_bundles.utils import atomic

from .conftest import TinyModels, contents

PLAN = Plan(3, shard_size=2, seed=5)
pytestmark = pytest.mark.usefixtures("quick_measure")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        from brain_bundles.metrics.brain_volumes import BrainVolumes
        from brain_bundles.synthesis import quality

        patch.setattr(quality, "measure_file", lambda path, **_: BrainVolumes(20.0, 1100.0))
        return synthesise(tmp_path_factory.mktemp("whole") / "set", PLAN, TinyModels("T2w"))


def test_the_set_is_shards_of_bids_with_one_table_and_checksums(whole, bids_errors):
    assert sorted(path.name for path in whole.iterdir()) == [
        "README.md", "SHA256SUMS", "participants.json", "participants.tsv", "run.json", "shard-0001", "shard-0002",
    ]  # fmt: skip
    rows = read_participants(whole)
    asked = make_condition_table(num_samples=3, seed=5)
    assert [row["participant_id"] for row in rows] == ["sub-0001", "sub-0002", "sub-0003"]
    assert [int(row["seed"]) for row in rows] == [row["seed"] for row in asked]
    assert [row["age"] for row in rows] == [row["age"] for row in asked]
    assert [row["shard"] for row in rows] == ["shard-0001", "shard-0001", "shard-0002"]
    assert {row["measured_brain_volume"] for row in rows} == {"1100"}
    assert {row["quality"] for row in rows} <= {"ok", "check"}
    for shard in ("shard-0001", "shard-0002"):
        assert bids_errors(whole / shard) == []
    for sums in (whole / "SHA256SUMS", whole / "shard-0002" / "SHA256SUMS"):
        for line in sums.read_text().splitlines():
            value, name = line.split("  ")
            assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == value, name
    listed = {line.split("  ")[1] for line in (whole / "shard-0002" / "SHA256SUMS").read_text().splitlines()}
    assert listed == {name for name in contents(whole / "shard-0002") if name != "SHA256SUMS"}


def test_another_contrast_lies_beside_the_first_and_names_its_source(whole):
    anat = whole / "shard-0002" / "sub-0003" / "anat"
    assert sorted(path.name for path in anat.glob("*.nii.gz")) == ["sub-0003_T1w.nii.gz", "sub-0003_T2w.nii.gz"]
    about = json.loads((anat / "sub-0003_T2w.json").read_text())
    assert about["Sources"] == ["bids::sub-0003/anat/sub-0003_T1w.nii.gz"]


@pytest.mark.parametrize("count", [2, 3])
def test_shares_make_the_set_of_one_process(tmp_path, whole, count):
    models = TinyModels("T2w")
    for index in reversed(range(count)):
        assert not (tmp_path / "README.md").exists()
        synthesise(tmp_path, PLAN, models, share=Share(index, count))
    assert contents(tmp_path) == contents(whole)
    assert len(models.made) == len(set(models.made)) == 6
    synthesise(tmp_path, PLAN, models)  # finds all done
    assert len(models.made) == 6


def test_brains_depend_on_seed_and_number_alone(tmp_path, whole):
    """Not on the size of shards or of the set: another cut has the same images."""
    synthesise(tmp_path, Plan(4, shard_size=4, seed=5), TinyModels("T2w"))
    images = {Path(name).name: data for name, data in contents(whole).items() if name.endswith(".nii.gz")}
    other = {Path(name).name: data for name, data in contents(tmp_path).items() if name.endswith(".nii.gz")}
    assert len(images) == 6
    assert images.items() <= other.items()


def dies_at(folder: Path, number: int, *, after: bool) -> int:
    """Start a process that is killed (kill -9) at its ``number``-th file, before or after this has its name."""
    real = os.replace
    seen = []

    def replace(*names: object) -> None:
        seen.append(names)
        if len(seen) == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*names)
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def run() -> None:
        os.replace = replace
        synthesise(folder, PLAN, TinyModels("T2w"))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(240)
    return process.exitcode


def test_a_set_that_is_killed_at_any_file_is_continued(tmp_path, whole, monkeypatch):
    """Only the image that was being made is made again."""
    killed = 0
    for number in range(1, 200, 5):
        folder = tmp_path / f"{number}"
        ended = dies_at(folder, number, after=bool(number % 2))
        images = {path.name for path in folder.rglob("*.nii.gz") if "translated" not in path.parts}
        images |= {path.name.replace("_desc-synth", "") for path in folder.rglob("*_desc-synth_*.nii.gz")}
        models = TinyModels("T2w")
        synthesise(folder, PLAN, models)
        assert contents(folder) == contents(whole), number
        made = [name.replace("_desc-synth", "") for name in models.made]
        assert len(made) == 6 - len(images), number
        assert set(made) & images == set()
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        killed += 1
    assert killed >= 8
    assert ended == 0  # the loop reached the end of a run


def test_a_full_disk_stops_the_run_and_says_how_far_it_is(tmp_path, whole, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        real = atomic.os.fsync

        def full(number: int) -> None:
            if list(tmp_path.rglob(".sub-0003_T1w.nii.gz.*.tmp")):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(number)

        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device.*make room"):
            synthesise(tmp_path, PLAN, TinyModels("T2w"))
    assert (
        "Stopped in shard-0002; 2 of 3 brains are in whole shards. The same command goes on from here." in caplog.text
    )
    assert list(tmp_path.rglob("*.tmp")) == []
    assert not (tmp_path / "shard-0002").exists()
    synthesise(tmp_path, PLAN, TinyModels("T2w"))
    assert contents(tmp_path) == contents(whole)


def test_without_hard_links_files_are_copied(tmp_path, whole, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(contrasts.os, "link", refuse)
    synthesise(tmp_path, PLAN, TinyModels("T2w"))
    assert contents(tmp_path) == contents(whole)


def test_a_translation_that_was_damaged_and_made_again_takes_the_place_of_the_old_one(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("brain_bundles.synthesis.shard.write_checksums", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            synthesise(tmp_path, PLAN, TinyModels("T2w"))
    (image,) = tmp_path.rglob("sub-0002_desc-synth_T2w.nii.gz")
    image.write_bytes(image.read_bytes()[:-9])
    synthesise(tmp_path, PLAN, TinyModels("T2w"))
    assert contents(tmp_path) == contents(whole)


@pytest.mark.parametrize(
    ("plan", "models", "message"),
    [
        (Plan(3, 2, seed=6), ("T2w",), "seed: 5 there, 6 now"),
        (Plan(4, 2, seed=5), ("T2w",), "num_subjects: 3 there, 4 now"),
        (PLAN, (), r"contrasts: \['T1w', 'T2w'\] there, \['T1w'\] now"),
        (PLAN, ("T2w", "0" * 64, 80), r"brain_mri_generator, fixed conditions: \{\} there, \{'age': 80\} now"),
        (PLAN, ("T2w", "other weights"), "brain_mri_generator, network: 0000.* there, other weights now"),
    ],
)
def test_another_set_in_the_folder_is_refused(whole, plan, models, message):
    before = contents(whole)
    options = dict(zip(("weights", "age"), models[1:], strict=False))
    with pytest.raises(DatasetError, match=message):
        synthesise(whole, plan, TinyModels(*models[:1], **options))
    assert contents(whole) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(DatasetError, match=r"it has thesis\.doc and no run\.json; give another folder"):
        synthesise(tmp_path, PLAN, TinyModels())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_more_processes_than_shards_are_told(tmp_path, caplog):
    synthesise(tmp_path, Plan(1), TinyModels(), share=Share(1, 2))
    assert "1 shards for 2 processes: some have nothing to do" in caplog.text
    assert not (tmp_path / "README.md").exists()
