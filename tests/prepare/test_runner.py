"""Runs over brains that were extracted before: what is quick shows how work is shared, resumed and reported."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles import cli
from brain_bundles.data import contrast_datalist, read_participants, read_tsv
from brain_bundles.data.problems import DatasetError
from brain_bundles.prepare import Options, prepare
from brain_bundles.prepare.results import image_file, mask_file
from brain_bundles.prepare.scans import Visit

from .heads import head, save_head

QUICK = Options(bias_field=False, registration=False, volumes=False, spacing=None)


def brain(contrast, seed=0):
    image, affine, mask = head(contrast, spacing=6.0, shape=(32, 40, 40), seed=seed)
    return nib.Nifti1Image(image * mask.astype(np.int16), affine)


@pytest.fixture
def dataset(tmp_path):
    """Three people, one at two visits, one with half a file; the ages of the visits in a table."""
    root = tmp_path / "raw"
    for number, name in enumerate(("sub-1", "sub-2/ses-a", "sub-2/ses-b", "sub-3")):
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        for contrast in ("T1w", "FLAIR"):
            nib.save(brain(contrast, number), folder / f"{name.replace('/', '_')}_{contrast}.nii.gz")
    broken = root / "sub-3" / "anat" / "sub-3_FLAIR.nii.gz"
    broken.write_bytes(broken.read_bytes()[:3000])
    (root / "participants.tsv").write_text("participant_id\tage\tsex\nsub-1\t40\tF\nsub-2\t50\tM\nsub-3\t60\tF\n")
    (root / "sub-2" / "sub-2_sessions.tsv").write_text("session_id\tage\nses-a\t50\nses-b\t52\n")
    return root


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file, without the records, which have times."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "records" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_bad_people_are_named_at_the_end_and_the_others_are_a_conforming_derivative(dataset, tmp_path, bids_errors):
    dest = tmp_path / "out"
    with pytest.raises(DatasetError, match=r"left out \(1\):\n  sub-3: unreadable or truncated image: .*sub-3_FLAIR"):
        prepare(dataset, dest, options=QUICK, num_workers=1)
    assert [row["participant_id"] for row in read_participants(dest)] == ["sub-1", "sub-2"]
    assert [row["age"] for row in read_tsv(dest / "sub-2" / "sub-2_sessions.tsv")] == ["50", "52"]
    assert not list(dest.rglob("*sub-3*.nii.gz"))
    assert bids_errors(dest) == []
    page = (dest / "prepare" / "index.html").read_text()
    assert "4 visits, 1 left out" in page
    assert page.index("sub-3") < page.index("pictures/sub-1.png")
    assert (dest / "prepare" / "pictures" / "sub-2_ses-b.png").stat().st_size > 5000
    description = json.loads((dest / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["DatasetLinks"]["source"].endswith("/raw")
    sidecar = json.loads((dest / image_file(Visit("sub-1", None, {}), "FLAIR").replace(".nii.gz", ".json")).read_text())
    assert sidecar["SkullStripped"] is True
    assert sidecar["Sources"] == ["bids:source:sub-1/anat/sub-1_FLAIR.nii.gz"]
    assert [step["Step"] for step in sidecar["Steps"]] == ["reorient", "resampling", "brain extraction"]


def test_what_was_read_is_what_is_written(dataset, tmp_path):
    dest = tmp_path / "out"
    prepare(dataset, dest, options=QUICK, num_workers=1, participants=["1"])
    visit = Visit("sub-1", None, {})
    made, source = nib.load(dest / image_file(visit, "T1w")), nib.load(dataset / "sub-1/anat/sub-1_T1w.nii.gz")
    np.testing.assert_allclose(made.affine, source.affine)
    values = source.get_fdata()
    np.testing.assert_allclose(made.get_fdata() * values.max(), values, atol=values.max() * 4e-5)
    mask = np.asarray(nib.load(dest / mask_file(visit)).dataobj) > 0
    assert mask[values > 0].mean() > 0.99


def test_a_later_start_does_what_is_missing_and_nothing_else(dataset, tmp_path, caplog):
    dest = tmp_path / "out"
    with pytest.raises(DatasetError):
        prepare(dataset, dest, options=QUICK, num_workers=1)
    first = contents(dest)
    times = {path: path.stat().st_mtime_ns for path in dest.rglob("*.nii.gz")}
    damaged = dest / image_file(Visit("sub-1", None, {}), "T1w")
    damaged.write_bytes(damaged.read_bytes()[:100])
    nib.save(brain("FLAIR", 3), dataset / "sub-3" / "anat" / "sub-3_FLAIR.nii.gz")
    with caplog.at_level("INFO"):
        prepare(dataset, dest, options=QUICK, num_workers=1)
    assert "2 of 4 visits are done" in caplog.text
    assert [row["participant_id"] for row in read_participants(dest)] == ["sub-1", "sub-2", "sub-3"]
    kept = {path for path, time in times.items() if path.stat().st_mtime_ns == time}
    assert {path.parts[-3] for path in kept} == {"ses-a", "ses-b"}
    assert contents(dest)[str(damaged.relative_to(dest))] == first[str(damaged.relative_to(dest))]
    with pytest.raises(DatasetError, match=r"prepared with other settings.*\n.*spacing None there, 2\.0 now"):
        prepare(dataset, dest, options=Options(bias_field=False, registration=False, spacing=2.0))


def test_nothing_old_stays_of_a_source_that_changed(dataset, tmp_path):
    """One visit loses a contrast, one becomes unreadable; a later visit depends on the first one of its person."""
    dest = tmp_path / "out"
    (dataset / "sub-3" / "anat" / "sub-3_FLAIR.nii.gz").unlink()
    prepare(dataset, dest, options=QUICK, num_workers=1)
    second = dest / image_file(Visit("sub-2", "ses-b", {}), "T1w")
    before = second.stat().st_mtime_ns
    (dataset / "sub-1" / "anat" / "sub-1_FLAIR.nii.gz").unlink()
    broken = dataset / "sub-2" / "ses-a" / "anat" / "sub-2_ses-a_T1w.nii.gz"
    broken.write_bytes(broken.read_bytes()[:3000])
    with pytest.raises(DatasetError, match=r"left out \(1\):\n  sub-2_ses-a: unreadable"):
        prepare(dataset, dest, options=QUICK, num_workers=1)
    assert sorted(path.name for path in (dest / "sub-1" / "anat").glob("*.nii.gz")) == [
        "sub-1_T1w.nii.gz",
        "sub-1_desc-brain_mask.nii.gz",
    ]
    assert not list((dest / "sub-2" / "ses-a").rglob("*.nii.gz"))
    assert second.stat().st_mtime_ns > before
    assert [row["session_id"] for row in read_tsv(dest / "sub-2" / "sub-2_sessions.tsv")] == ["ses-b"]


def test_a_folder_of_another_source_is_refused_and_who_left_is_named(dataset, tmp_path, caplog):
    dest = tmp_path / "out"
    prepare(dataset, dest, options=QUICK, num_workers=1, participants=["1", "2"])
    shutil.rmtree(dataset / "sub-2" / "ses-b")
    with caplog.at_level("WARNING"):
        prepare(dataset, dest, options=QUICK, num_workers=1, participants=["1", "2"])
    assert "no longer in the source, so not in the tables: sub-2_ses-b" in caplog.text
    other = tmp_path / "other"
    shutil.copytree(dataset / "sub-1", other / "sub-9")
    for path in sorted(other.rglob("sub-1*")):
        path.rename(path.with_name(path.name.replace("sub-1", "sub-9")))
    with pytest.raises(DatasetError, match=r"visits of another source.*\n.*sub-1, sub-2_ses-a.*another folder"):
        prepare(other, dest, options=QUICK, num_workers=1)


def test_a_data_set_of_others_is_not_written_over(dataset, tmp_path):
    dest = tmp_path / "theirs"
    dest.mkdir()
    (dest / "participants.tsv").write_text("participant_id\tiq\nsub-1\t100\n")
    with pytest.raises(DatasetError, match=r"not prepared here(.|\n)*participants.tsv; give a new or an empty folder"):
        prepare(dataset, dest, options=QUICK, num_workers=1)
    assert [path.name for path in dest.iterdir()] == ["participants.tsv"]


def test_a_visit_whose_process_was_ended_is_named_and_made_by_the_next_start(dataset, tmp_path, monkeypatch):
    dest = tmp_path / "out"
    (dataset / "sub-3" / "anat" / "sub-3_FLAIR.nii.gz").unlink()
    broken = concurrent.futures.process.BrokenProcessPool()

    class Pool(concurrent.futures.ThreadPoolExecutor):  # one in which the process of sub-1 is ended
        def __init__(self, workers, context, initializer, arguments):
            super().__init__(1)

        def submit(self, work, visit, *rest):
            dies = visit.participant_id == "sub-1"
            return super().submit((lambda: (_ for _ in ()).throw(broken)) if dies else lambda: work(visit, *rest))

    with monkeypatch.context() as patch:
        patch.setattr(concurrent.futures, "ProcessPoolExecutor", Pool)
        with pytest.raises(DatasetError, match="sub-1: its process was ended from outside"):
            prepare(dataset, dest, options=QUICK, num_workers=2)
    assert [row["participant_id"] for row in read_participants(dest)] == ["sub-2", "sub-3"]
    prepare(dataset, dest, options=QUICK, num_workers=1)
    assert [row["participant_id"] for row in read_participants(dest)] == ["sub-1", "sub-2", "sub-3"]


def test_a_brain_without_a_mask_is_still_one_without_skull(dataset, tmp_path):
    """``SkullStripped`` is what was found, also where nothing is extracted."""
    raw = tmp_path / "heads"
    save_head(raw / "sub-1" / "anat" / "sub-1_T1w.nii.gz", spacing=6.0, shape=(32, 40, 40))
    options = dataclasses.replace(QUICK, extract_brain="false")
    for source, stripped in ((raw, False), (dataset, True)):
        dest = tmp_path / f"out_{stripped}"
        prepare(source, dest, options=options, num_workers=1, participants=["1"])
        sidecar = json.loads((dest / "sub-1" / "anat" / "sub-1_T1w.json").read_text())
        assert sidecar["SkullStripped"] is stripped


def test_work_that_is_shared_gives_the_same_files(dataset, tmp_path):
    nib.save(brain("FLAIR", 3), dataset / "sub-3" / "anat" / "sub-3_FLAIR.nii.gz")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    prepare(dataset, whole, options=QUICK, num_workers=1)
    for people, sessions in ((["3"], None), (["sub-2"], ["b"]), (["2"], ["ses-a"]), (["1"], None)):
        assert not (parts / "participants.tsv").exists()
        prepare(
            dataset, parts, options=QUICK, level="participant", participants=people, sessions=sessions, num_workers=1
        )
    assert contents(parts) == contents(whole)  # the last one has written the tables
    (parts / "participants.tsv").unlink()
    prepare(dataset, parts, options=QUICK, level="group")
    assert contents(parts) == contents(whole)


def test_the_result_trains_and_the_choice_of_contrasts_is_kept(dataset, tmp_path):
    dest = tmp_path / "out"
    prepare(dataset, dest, options=QUICK, num_workers=1, participants=["1"])
    (item,) = contrast_datalist(dest, ["T1w", "FLAIR"], "train")
    assert item["participant_id"] == "sub-1"
    only = tmp_path / "only"
    options = Options(bias_field=False, registration=False, volumes=False, spacing=None, contrasts=["T1w"])
    prepare(dataset, only, options=options, num_workers=1)  # without the half file of sub-3
    assert sorted(path.name for path in only.rglob("sub-3*.nii.gz")) == [
        "sub-3_T1w.nii.gz",
        "sub-3_desc-brain_mask.nii.gz",
    ]


def test_the_command(dataset, tmp_path, caplog):
    options = ["--bias_field=False", "--registration=False", "--volumes=False", "--spacing=False", "--num_workers=1"]
    assert cli.main(["prepare", str(dataset), str(tmp_path / "out"), *options]) == 1
    assert "sub-3: unreadable" in caplog.text
    assert cli.main(["prepare", str(dataset), str(tmp_path / "out"), *options, "--participant_label", "1,2"]) == 0
    for wrong, message in (
        (["--spacing", "9"], "spacing must be a number from 0.3 to 5"),
        (["--extract_brain", "maybe"], "extract_brain is auto, true or false"),
        (["--entities", "3D"], "entities must be a mapping"),
    ):
        assert cli.main(["prepare", str(dataset), str(tmp_path / "x"), *wrong]) == 2
        assert message in caplog.text
    assert cli.main(["prepare", str(dataset), str(dataset / "inside")]) == 1
    assert "lies in the source" in caplog.text
    assert cli.main(["prepare", str(dataset), str(tmp_path / "x"), "--participant_label", "7"]) == 1
    assert "no sub-7 in the source; it has sub-1, sub-2, sub-3" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contrasts": ["T3w"]}, "unknown contrast 'T3w'"),
        ({"val": 0.7, "test": 0.3}, "shares with a sum below 1"),
        ({"spacing": 0.0}, "spacing is 0.0, expected 0.3 to 5 mm"),
        ({"extract_brain": "yes"}, "extract_brain is 'yes', allowed are auto, true, false"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)
