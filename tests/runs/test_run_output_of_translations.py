"""The output folder of images made from images: it grows, moves with its sources, and protects its content."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, read_participants, write_nifti
from brain_bundles.runs import RunOutput, translation_inputs

SHAPE = (6, 7, 8)


def source(folder: Path, name: str, value: float = 1.0) -> Path:
    path = folder / name / "anat" / f"{name}_T1w.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, np.linspace(0, value, 336).reshape(SHAPE), np.eye(4))
    return path


def make(folder: Path, sources: Path, bids: bool = True, people: str | None = None, **settings) -> RunOutput:
    where = {"dataset_dir": sources, "participant_label": people}
    if not bids:
        where = {"input": sorted(sources.rglob("*.nii.gz"))}
    inputs = translation_inputs(**where, source="T1w", target="T2w")
    return RunOutput(
        folder,
        inputs.items,
        settings=settings,
        suffix="T2w",
        name="Translated brain MRI",
        bids=inputs.bids,
        source_dir=inputs.dataset_dir,
    )


def finish(output: RunOutput) -> None:
    for row in output.rows:
        write_nifti(output.path(row), np.full(SHAPE, 0.5), np.eye(4))


def names(rows: list[dict]) -> list[str]:
    return [row["participant_id"] for row in rows]


@pytest.fixture
def sources(tmp_path) -> Path:
    for name in ("sub-1", "sub-3"):
        source(tmp_path / "in", name)
    return tmp_path / "in"


def test_a_derivative_of_the_source_s_subjects(tmp_path, sources, bids_errors):
    output = make(tmp_path / "out", sources, steps=5)
    assert output.pending() == output.items
    assert (
        output.path("sub-3") == output.path(output.rows[1]) == tmp_path / "out/sub-3/anat/sub-3_desc-synth_T2w.nii.gz"
    )
    finish(output)
    table = read_participants(tmp_path / "out")
    assert table == [{"participant_id": row["participant_id"], "seed": str(row["seed"])} for row in output.rows]
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert (description["DatasetType"], description["Name"]) == ("derivative", "Translated brain MRI")
    assert description["SourceDatasets"] == [{"URL": "../in"}]
    assert description["DatasetLinks"] == {"source": "../in"}
    assert make(tmp_path / "out", sources, steps=5).pending() == []
    for row in output.rows:  # the saver's part
        output.path(row).with_name(f"{row['participant_id']}_desc-synth_T2w.json").write_text('{"SkullStripped": true}')
    assert bids_errors(tmp_path / "out") == []
    with pytest.raises(DatasetError, match="steps: 5 there, 6 now"):
        make(tmp_path / "out", sources, steps=6).prepare()


def test_the_result_does_not_depend_on_how_the_work_was_shared(tmp_path):
    """Two starts at the same time, then one without a selection, against one start for all."""
    for name in ("sub-10", "sub-9", "sub-2"):
        source(tmp_path / "in", name)
    whole = make(tmp_path / "whole", tmp_path / "in")
    assert len(whole.pending()) == 3
    first, second = (make(tmp_path / "out", tmp_path / "in", people=people) for people in ("10", "9,2"))
    assert names(first.pending()) == ["sub-10"]
    second.prepare()
    (
        tmp_path / "out" / "logs" / "run.json"
    ).unlink()  # what the second start wrote last, it wrote without seeing the first
    (tmp_path / "out" / "participants.tsv").unlink()
    second.record.update(None)
    for output in (whole, first, second):
        finish(output)
        output.finish()
    one, shared = (json.loads((tmp_path / name / "logs" / "run.json").read_text()) for name in ("whole", "out"))
    assert shared["conditions"] == one["conditions"]
    for name in ("participants.tsv", "dataset_description.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert names(read_participants(tmp_path / "out")) == ["sub-2", "sub-9", "sub-10"]
    assert make(tmp_path / "out", tmp_path / "in").pending() == []


def test_the_link_to_the_sources_follows_them(tmp_path, sources):
    make(tmp_path / "out", sources).prepare()
    path = tmp_path / "out" / "dataset_description.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "License": "CC0"}))
    elsewhere = tmp_path / "my data" / "elsewhere"
    elsewhere.parent.mkdir()
    shutil.move(sources, elsewhere)
    (elsewhere / "dataset_description.json").write_text('{"DatasetDOI": "doi:10.0/x"}')
    make(tmp_path / "out", elsewhere).prepare()
    description = json.loads(path.read_text())
    assert description["DatasetLinks"] == {"source": "../my%20data/elsewhere"}
    assert description["SourceDatasets"] == [{"URL": "../my%20data/elsewhere", "DOI": "doi:10.0/x"}]
    assert description["License"] == "CC0"


def test_the_link_resolves_from_a_folder_behind_a_link(tmp_path, sources):
    (tmp_path / "disk" / "deep" / "out").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "deep" / "out")
    make(tmp_path / "out", sources).prepare()
    link = json.loads((tmp_path / "out" / "dataset_description.json").read_text())["DatasetLinks"]["source"]
    assert (tmp_path / "out" / link).resolve() == sources.resolve()


def test_files_get_no_dataset_around_them(tmp_path, sources):
    output = make(tmp_path / "out", sources, bids=False)
    output.prepare()
    finish(output)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "run.json",
        "sub-1_T1w_T2w.nii.gz",
        "sub-3_T1w_T2w.nii.gz",
    }
    assert make(tmp_path / "out", sources, bids=False).pending() == []


def test_sources_may_move_but_not_change(tmp_path, sources):
    finish(make(tmp_path / "out", sources))
    make(tmp_path / "other", sources).prepare()
    shutil.move(sources, tmp_path / "elsewhere")
    moved = make(tmp_path / "other", tmp_path / "elsewhere")
    assert names(moved.pending()) == ["sub-1", "sub-3"]
    assert str(tmp_path) not in (tmp_path / "other" / "logs" / "run.json").read_text()
    source(tmp_path / "elsewhere", "sub-3", value=0.9)
    with pytest.raises(DatasetError, match=r"sub-3_\S+: source_sha256 \w+ there, \w+ now"):
        make(tmp_path / "other", tmp_path / "elsewhere").prepare()


def test_a_repaired_source_is_added_and_an_absent_one_stays(tmp_path, sources):
    output = make(tmp_path / "out", sources)
    output.prepare()
    finish(output)
    before = output.path("sub-3").stat().st_mtime_ns
    source(sources, "sub-2")
    grown = make(tmp_path / "out", sources)
    assert names(grown.pending()) == ["sub-2"]
    assert names(read_participants(tmp_path / "out")) == ["sub-1", "sub-2", "sub-3"]
    assert names(json.loads((tmp_path / "out" / "logs" / "run.json").read_text())["conditions"]) == [
        "sub-1",
        "sub-2",
        "sub-3",
    ]
    assert output.path("sub-3").stat().st_mtime_ns == before
    shutil.rmtree(sources / "sub-1")
    assert names(make(tmp_path / "out", sources).pending()) == ["sub-2"]
    assert names(read_participants(tmp_path / "out")) == ["sub-1", "sub-2", "sub-3"]
    # A start that died between the record and the table.
    lines = (tmp_path / "out" / "participants.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "out" / "participants.tsv").write_text("".join(lines[:-1]))
    make(tmp_path / "out", sources).prepare()
    assert (tmp_path / "out" / "participants.tsv").read_text() == "".join(lines)


def test_several_targets_of_one_participant_are_one_line(tmp_path, sources):
    inputs = translation_inputs(sources, source="T1w", target=["T2w", "FLAIR"])
    output = RunOutput(tmp_path / "out", inputs.items, settings={})
    output.prepare()
    assert names(read_participants(tmp_path / "out")) == ["sub-1", "sub-3"]
    assert len({output.path(row) for row in output.rows}) == 4
    first, second = (output.paths(item) for item in output.items)
    for path in (*first, second[0]):
        write_nifti(path, np.full(SHAPE, 0.5), np.eye(4))
    assert output.pending() == inputs.items[1:]


def test_files_of_the_user_are_not_taken_for_translations(tmp_path, sources):
    path = tmp_path / "out" / "sub-1_T1w_T2w.nii.gz"
    path.parent.mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    shutil.copy(source(tmp_path / "a", "sub-1"), path)
    with pytest.raises(DatasetError, match=r"it has sub-1_T1w_T2w\.nii\.gz and no run\.json"):
        make(tmp_path / "out", sources, bids=False).prepare()
    path.unlink()
    assert len(make(tmp_path / "out", sources, bids=False).pending()) == 2


def test_room_is_that_of_the_sources_grids(tmp_path, sources, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2 * 336 - 1))
    with pytest.raises(OSError, match="2 images need about 0 MiB"):
        make(tmp_path / "out", sources).prepare()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2 * 336))
    make(tmp_path / "out", sources).prepare()


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        ([{"participant_id": "sub-1"}], {}, "every item needs an image that gives its grid"),
        ([{"participant_id": "sub-1"}], {"spacing": 1.0}, "spacing is 1.0 and spatial_size None; give both"),
        ([{"participant_id": "a", "image": "a", "files": ["../a.nii.gz"]}], {}, "expected a path below output_dir"),
        ([{"participant_id": "a", "image": "a", "files": ["/a.nii.gz"]}], {}, "expected a path below output_dir"),
        (
            [{"participant_id": name, "image": "a", "files": ["a.nii.gz"]} for name in "ab"],
            {},
            r"b: its image .*a\.nii\.gz is also that of a; rename one",
        ),
        (
            [{"participant_id": "a", "image": "a", "files": ["a.nii.gz", "a.nii.gz"]}],
            {},
            r"a: its image .*a\.nii\.gz is also that of a; rename one",
        ),
    ],
)
def test_bad_items(tmp_path, items, options, message):
    with pytest.raises(ValueError, match=message):
        RunOutput(tmp_path, items, settings={}, **options)


def test_a_source_of_any_spelling_has_a_grid(tmp_path):
    """A fourth axis of length 1, as some converters write it, is no axis."""
    data = np.random.default_rng(0).random((*SHAPE, 1)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    inputs = translation_inputs(input=tmp_path / "a.nii", source="T1w", target="T2w")
    RunOutput(tmp_path / "out", inputs.items, settings={}, bids=False).prepare()
