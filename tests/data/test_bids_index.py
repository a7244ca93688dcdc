"""The index of a dataset: visits, what shows a contrast, and the choice among several files."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from brain_bundles.data import BidsIndex, Scan
from brain_bundles.data.bids_index import item_scan, not_fetched, scan_of


def touch(folder: Path, *names: str) -> None:
    """Make empty files such as sub-1_ses-2_T1w.nii.gz in their places."""
    for name in names:
        scan = scan_of("_".join(part for part in name.split("_") if part.startswith(("sub-", "ses-"))))
        kind = "swi" if "_swi." in name else "anat"
        path = folder / scan.folder() / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def chosen(index: BidsIndex, contrast: str = "T1w", scan: Scan = Scan("sub-1")) -> str | None:  # noqa: B008
    path = index.find(scan, contrast)
    return None if path is None else path.name


def test_visits_of_a_participant(tmp_path):
    touch(tmp_path, "sub-1_T1w.nii.gz", "sub-2_ses-b_T1w.nii", "sub-2_ses-a_swi.nii.gz", "sub-3_ses-1_T1w.json")
    (tmp_path / "sub-2" / "ses-c" / "func").mkdir(parents=True)
    (tmp_path / "sub-notes.txt").touch()
    index = BidsIndex(tmp_path)
    assert index.participants() == ["sub-1", "sub-2", "sub-3"]
    assert index.scans("sub-1") == [Scan("sub-1")]
    assert index.scans("sub-2") == [Scan("sub-2", "ses-a"), Scan("sub-2", "ses-b")]  # none without images
    assert index.scans("sub-3") == [Scan("sub-3")]
    assert chosen(index, scan=Scan("sub-2", "ses-b")) == "sub-2_ses-b_T1w.nii"
    assert chosen(index, "swi", Scan("sub-2", "ses-a")) == "sub-2_ses-a_swi.nii.gz"
    assert chosen(index, scan=Scan("sub-2", "ses-a")) is None
    assert BidsIndex(tmp_path / "none").participants() == []


def test_the_plainest_name_is_chosen_and_the_choice_is_logged(tmp_path, caplog):
    touch(tmp_path, "sub-1_acq-3D_T1w.nii.gz", "sub-1_T1w.nii", "sub-1_T1w.nii.gz", "sub-1_run-1_T1w.nii.gz")
    touch(tmp_path, "sub-1_run-10_T2w.nii.gz", "sub-1_run-9_T2w.nii.gz", "sub-1_FLAIR.nii.gz", "sub-1_FLAIR.nii")
    caplog.set_level(logging.INFO)
    index = BidsIndex(tmp_path)
    assert chosen(index) == "sub-1_T1w.nii.gz"
    assert chosen(index, "T2w") == "sub-1_run-9_T2w.nii.gz"
    assert chosen(index, "FLAIR") == "sub-1_FLAIR.nii.gz"
    index.log_choices()
    assert "several files fit, chosen are: sub-1_T1w (not acq-3D_T1w, run-1_T1w); sub-1_run-9_T2w (not" in caplog.text
    assert "FLAIR" not in caplog.text  # two spellings of one image are no choice
    caplog.clear()
    index.log_choices()
    assert caplog.text == ""


def test_the_user_chooses_by_entities(tmp_path):
    touch(tmp_path, "sub-1_acq-3D_run-1_T1w.nii.gz", "sub-1_acq-3D_run-02_T1w.nii.gz", "sub-1_acq-2D_T1w.nii.gz")
    touch(tmp_path, "sub-1_T2w.nii.gz", "sub-1_acq-2D_FLAIR.nii.gz")

    def choose(entities: dict, contrast: str = "T1w") -> str | None:
        return chosen(BidsIndex(tmp_path, entities), contrast)

    assert choose({}) == "sub-1_acq-2D_T1w.nii.gz"
    assert choose({"acq": "3d"}) == "sub-1_acq-3D_run-1_T1w.nii.gz"
    assert choose({"acq": "3D", "run": 2}) == "sub-1_acq-3D_run-02_T1w.nii.gz"
    assert choose({"acq": "3D"}, "T2w") == "sub-1_T2w.nii.gz"  # without the entity, where none has it
    assert choose({"run": 2}) == "sub-1_acq-3D_run-02_T1w.nii.gz"
    assert choose({"run": None}) == "sub-1_acq-2D_T1w.nii.gz"
    assert choose({"acq": "3D"}, "FLAIR") is None  # another label is never taken
    kind, detail = BidsIndex(tmp_path, {"acq": "3D"}).missing(Scan("sub-1"), "FLAIR")
    assert kind == "missing image"
    assert detail.endswith("sub-1_FLAIR.nii.gz (entities {'acq': '3D'} leave out sub-1_acq-2D_FLAIR.nii.gz)")


def test_files_of_others_are_not_taken(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "sub-1" / "ses-1" / "anat"
    touch(tmp_path, "sub-1_ses-1_T1w.nii.gz")
    for name in ("sub-2_ses-1_T2w.nii.gz", "sub-1_T2w.nii.gz", "T2.nii.gz", ".sub-1_ses-1_T2w.nii.gz"):
        (folder / name).touch()
    index = BidsIndex(tmp_path)
    assert index.files(Scan("sub-1", "ses-1"), "T2w") == []
    assert "sub-2_ses-1_T2w.nii.gz is not used: its name does not begin with sub-1_ses-1_" in caplog.text


def test_what_was_not_fetched_is_there_and_named(tmp_path):
    touch(tmp_path, "sub-1_T1w.nii.gz", "sub-1_T2w.nii.gz")
    link = tmp_path / "sub-1" / "anat" / "sub-1_FLAIR.nii.gz"
    link.symlink_to("../../.git/annex/objects/8p/zJ/MD5E-s1--00.nii.gz/MD5E-s1--00.nii.gz")
    files = {name: link.with_name(f"sub-1_{name}.nii.gz") for name in ("T1w", "T2w", "PDw")}
    files["T1w"].write_text("/annex/objects/MD5E-s1--00.nii.gz\n")
    files["T2w"].write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    files["PDw"].write_bytes(b"\0" * 100)
    index = BidsIndex(tmp_path)
    assert len(index.files(Scan("sub-1"), "FLAIR")) == 1
    for path in (link, files["T1w"], files["T2w"]):
        assert (
            not_fetched(path) == f"{path}: only a link to its content is there; fetch it, as with: datalad get {path}"
        )
    assert not_fetched(files["PDw"]) is None
    assert not_fetched(tmp_path / "none") is None


def test_ids_of_a_visit():
    for scan in (Scan("sub-1"), Scan("sub-1", "ses-2")):
        assert scan_of(str(scan)) == scan
        assert item_scan({"participant_id": scan.participant_id, "session_id": scan.session_id or ""}) == scan
    assert Scan("sub-1", "ses-2").folder() == Path("sub-1/ses-2")


def test_pybids_finds_the_same_files(tmp_path):
    """pybids as the oracle, on names with and without sessions and entities."""
    bids = pytest.importorskip("bids")
    names = ["sub-1_T1w", "sub-1_acq-3D_T1w", "sub-1_T2w", "sub-1_ce-gadolinium_T1w", "sub-2_ses-1_run-1_T1w"]
    names += ["sub-2_ses-1_run-2_T1w", "sub-2_ses-2_T1w", "sub-2_ses-2_acq-3D_FLAIR", "sub-10_ses-x_rec-norm_PDw"]
    touch(tmp_path, *(f"{name}.nii.gz" for name in names))
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "d", "BIDSVersion": "1.10.0"}))
    layout, index = bids.BIDSLayout(tmp_path), BidsIndex(tmp_path)
    assert sorted(index.participants()) == sorted(f"sub-{label}" for label in layout.get_subjects())
    for person in index.participants():
        for scan in index.scans(person):
            for suffix in ("T1w", "T2w", "FLAIR", "PDw"):
                session = bids.layout.Query.NONE if scan.session_id is None else scan.session_id.removeprefix("ses-")
                agent = bids.layout.Query.NONE
                options = {"subject": person.removeprefix("sub-"), "session": session, "ceagent": agent}
                theirs = layout.get(suffix=suffix, extension=".nii.gz", return_type="filename", **options)
                assert sorted(str(file.path) for file in index.files(scan, suffix)) == sorted(theirs)
