import json

import pytest
from brain_bundles.data import read_participants, read_tsv
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.scans import Download, Scan
from brain_bundles.prepare.tables import part_of, parts_of, write_tables


def record(person, session=None, ventricles=None):
    volumes = {"ventricular_volume": ventricles, "brain_volume": None}
    return {"participant_id": person, "session_id": session, "Volumes": volumes}


def test_a_part_depends_on_the_id_and_the_seed_alone():
    people = [f"sub-{i:04d}" for i in range(2000)]
    parts = [part_of(name, 0.1, 0.2) for name in people]
    assert [parts.count(part) / 2000 for part in ("train", "val", "test")] == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert parts_of(people, Options(val=0.1, test=0.2)) == dict(zip(people, parts, strict=True))
    assert parts_of(people[:700], Options(val=0.1, test=0.2)) == dict(zip(people[:700], parts, strict=False))
    assert [part_of(name, 0.1, 0.2, seed=1) for name in people] != parts


@pytest.mark.parametrize("number", range(2, 12))
def test_a_small_dataset_has_someone_to_train_on_and_to_validate_on(number, caplog):
    for start in range(20):
        parts = parts_of([f"sub-{start}x{i}" for i in range(number)], Options())
        assert {"train", "val"} <= set(parts.values())
    assert "so sub-" in caplog.text
    parts = parts_of(["sub-1", "sub-2", "sub-3"], Options(val=0.0))
    assert "val" not in parts.values()


def test_the_table_has_what_the_source_says_and_what_was_measured(tmp_path):
    download = Download(
        people={"sub-1": {"age": 50.0, "sex": "F", "ventricular_volume": 33.0}, "sub-2": {"split": "test"}}
    )
    write_tables(tmp_path, download, [record("sub-2"), record("sub-1", ventricles=20.0)], Options())
    rows = {row["participant_id"]: row for row in read_participants(tmp_path)}
    assert list(rows) == ["sub-1", "sub-2"]
    assert rows["sub-1"]["ventricular_volume"] == 33.0  # the source's own value stays
    assert (rows["sub-1"]["age"], rows["sub-1"]["sex"]) == (50.0, "F")
    assert rows["sub-2"]["split"] == "test"
    assert json.loads((tmp_path / "participants.json").read_text())["age"]["Units"] == "year"


def test_the_split_of_the_source_is_never_drawn_anew(tmp_path, caplog):
    told = {"sub-1": "training", "sub-2": "Testing", "sub-3": "dev", "sub-4": "fold 2"}
    download = Download(people={person: {"split": word} for person, word in told.items()})
    write_tables(tmp_path, download, [record(person) for person in told], Options())
    found = {row["participant_id"]: row["split"] for row in read_participants(tmp_path)}
    assert found == {"sub-1": "train", "sub-2": "test", "sub-3": "val", "sub-4": None}
    assert "sub-4 is of the split 'fold 2'" in caplog.text


def test_visits_have_a_table_of_their_own_and_one_part(tmp_path):
    download = Download(sessions={("sub-1", "ses-1"): {"age": 50.0}, ("sub-1", "ses-2"): {"age": 52.5}})
    write_tables(tmp_path, download, [record("sub-1", "ses-2", 25.0), record("sub-1", "ses-1", 24.0)], Options())
    (row,) = read_participants(tmp_path)
    assert (row["age"], row["ventricular_volume"]) == (50.0, 24.0)
    sessions = read_tsv(tmp_path / "sub-1" / "sub-1_sessions.tsv")
    assert [(s["session_id"], s["age"], s["ventricular_volume"]) for s in sessions] == [
        ("ses-1", "50", "24"),
        ("ses-2", "52.5", "25"),
    ]


def test_no_split_if_none_is_wanted(tmp_path):
    write_tables(tmp_path, Download(), [record("sub-1")], Options(), split=False)
    assert "split" not in read_participants(tmp_path)[0]


def test_visits_and_runs_are_in_the_order_of_their_numbers(tmp_path):
    def scan(session: str, run: str) -> Scan:
        path = tmp_path / f"sub-1_{session}_run-{run}_T1w.nii.gz"
        return Scan("sub-1", session, "T1w", path, entities={"run": run})

    scans = [scan(session, run) for session in ("ses-10", "ses-2") for run in ("10", "02")]
    visits = Download(scans=list(scans)).visits()
    assert [visit.session_id for visit in visits] == ["ses-2", "ses-10"]
    assert {visit.scans["T1w"].entities["run"] for visit in visits} == {"02"}
    chosen = Download(scans=list(scans)).visits({"run": 2})[0].scans["T1w"]
    assert chosen.entities["run"] == "02"  # as BidsIndex chooses
    with pytest.raises(ValueError, match="entities has 'acquisition', known are"):
        Download(scans=list(scans)).visits({"acquisition": "3D"})
    download = Download(sessions={("sub-1", f"ses-{n}"): {"age": 50.0 + n} for n in (2, 10)})
    write_tables(tmp_path, download, [record("sub-1", "ses-10"), record("sub-1", "ses-2")], Options())
    assert read_participants(tmp_path)[0]["age"] == 52.0
