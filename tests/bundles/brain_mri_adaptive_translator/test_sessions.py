"""A dataset with sessions and entities trains, is translated, completed and compared, session by session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from brain_bundles.data import contrast_datalist, read_participants

from .conftest import Bundle


@pytest.fixture(scope="module")
def sessions(tiny_contrasts, tmp_path_factory) -> Path:
    """The phantoms as ses-1, with acq-3D in their names; all but the first two came again, without T2w."""
    folder = tmp_path_factory.mktemp("sessions") / "data"
    shutil.copytree(tiny_contrasts, folder)
    for number, person in enumerate(sorted(folder.glob("sub-*"))):
        first, second = person / "ses-1" / "anat", person / "ses-2" / "anat"
        first.parent.mkdir()
        (person / "anat").rename(first)
        for path in list(first.iterdir()):
            path = path.rename(path.with_name(path.name.replace(person.name, f"{person.name}_ses-1_acq-3D")))
            if number >= 2 and "_T2w" not in path.name:
                second.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, second / path.name.replace("ses-1", "ses-2"))
    return folder


def images(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.nii.gz"))}


def test_it_trains_and_is_compared(trained, sessions, tmp_path):
    bundle = Bundle(sessions, tmp_path / "models")
    shutil.copytree(trained.ckpt_dir, bundle.ckpt_dir, ignore=shutil.ignore_patterns("cache"))
    before = (bundle.ckpt_dir / "model.pt").read_bytes()
    bundle.run("train", tmp_path / "train", entities={"acq": "3D"})
    assert (bundle.ckpt_dir / "model.pt").read_bytes() != before
    visits = contrast_datalist(sessions, ["T1w", "T2w", "FLAIR"], "train")
    people = [row for row in read_participants(sessions) if row["split"] == "train"]
    assert len(visits) > len(people)  # second visits are items of their own
    bundle.run("inference", tmp_path / "out", "evaluate", metrics_dir=str(tmp_path / "metrics"))
    scores = (tmp_path / "metrics" / "scores.tsv").read_text()
    last = max(path.name for path in sessions.glob("sub-*"))
    assert f"\n{last}_ses-1\t" in scores
    assert f"\n{last}_ses-2\t" in scores


def test_it_is_completed_session_by_session_and_in_parts(trained, sessions, tmp_path, bids_errors):
    options = {"dataset_dir": str(sessions), "targets": "missing", "split": "test"}
    trained.run("inference", tmp_path / "whole", **options)
    whole = images(tmp_path / "whole")
    people = [row["participant_id"] for row in read_participants(sessions) if row["split"] == "test"]
    assert list(whole) == [f"{person}/ses-2/anat/{person}_ses-2_acq-3D_desc-synth_T2w.nii.gz" for person in people]
    assert bids_errors(tmp_path / "whole") == []
    for person in reversed(people):
        trained.run("inference", tmp_path / "parts", **options, participant_label=person, session_id="2")
    assert images(tmp_path / "parts") == whole
    one, parts = (json.loads((tmp_path / name / "logs" / "run.json").read_text()) for name in ("whole", "parts"))
    assert parts["conditions"] == one["conditions"]
    assert len(parts["starts"]) == len(people)
    table = "participants.tsv"
    assert (tmp_path / "parts" / table).read_text() == (tmp_path / "whole" / table).read_text()


def test_other_labels_choose_other_images(trained, sessions, tmp_path):
    with pytest.raises(RuntimeError) as error:
        trained.run("inference", tmp_path / "out", dataset_dir=str(sessions), entities={"acq": "2D"})
    assert "entities {'acq': '2D'} leave out" in str(error.value.__cause__)
