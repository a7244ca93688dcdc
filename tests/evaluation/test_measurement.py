import math

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, read_tsv, write_nifti, write_participants, write_volumes
from brain_bundles.evaluation import measurement
from brain_bundles.evaluation.measurement import (
    Measurement,
    fidelity_of,
    find_images,
    measure_file,
    measure_folder,
    merge_measurements,
    write_measurements,
)
from brain_bundles.metrics import BrainVolumes

NAN = math.nan


@pytest.fixture
def dataset(tmp_path):
    """A BIDS dataset of three empty images; the second has no recorded volumes."""
    rows = [
        {"participant_id": "sub-01", "ventricular_volume": 10.0, "brain_volume": 1000.0},
        {"participant_id": "sub-02", "ventricular_volume": None, "brain_volume": None},
        {"participant_id": "sub-03", "ventricular_volume": 30.0, "brain_volume": 1200.0},
    ]
    write_participants(tmp_path, rows)
    for row in rows:
        name = row["participant_id"]
        write_nifti(tmp_path / name / "anat" / f"{name}_T1w.nii.gz", np.zeros((4, 4, 4)), np.diag([2, 2, 2, 1]))
    return tmp_path


def test_bids_images_come_with_their_records(dataset):
    found = find_images(dataset)
    assert [name for name, _, _ in found] == ["sub-01", "sub-02", "sub-03"]
    assert found[0][2] == BrainVolumes(10.0, 1000.0)
    assert np.isnan(found[1][2]).all()


def test_a_plain_folder_is_a_list_of_files(tmp_path):
    for name in ("b.nii", "a.nii.gz", ".hidden.nii"):
        write_nifti(tmp_path / name, np.zeros((4, 4, 4)), np.eye(4))
    assert [name for name, _, _ in find_images(tmp_path)] == ["a", "b"]


def test_missing_and_empty_folders_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_images(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no brain in it"):
        find_images(tmp_path)


def test_broken_files_are_nan_with_a_warning(tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"not a volume")
    with pytest.warns(UserWarning, match=r"broken.nii.gz: its volumes cannot be measured"):
        assert np.isnan(measure_file(broken, method="classical")).all()


def test_an_unknown_method_is_refused(tmp_path):
    with pytest.raises(ValueError, match="method is 'rules', allowed are classical, network"):
        measure_file(tmp_path / "any.nii.gz", method="rules")


def test_files_are_measured_in_ras_orientation(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        measurement, "measure_volumes", lambda v, affine, atlas, name: seen.update(volume=v) or BrainVolumes(1.0, 2.0)
    )
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(volume[::-1, ::-1], np.diag([-2, -2, 2, 1])), tmp_path / "lps.nii")
    assert measure_file(tmp_path / "lps.nii", method="classical") == BrainVolumes(1.0, 2.0)
    np.testing.assert_array_equal(seen["volume"], volume)


def test_table_and_agreement(dataset, tmp_path, monkeypatch):
    answers = iter([BrainVolumes(12.0, 1010.0), BrainVolumes(5.0, 900.0), BrainVolumes(NAN, NAN)])
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: next(answers))
    measurements = measure_folder(dataset, progress=False)
    fidelity = fidelity_of(measurements)["ventricular_volume"]
    assert (fidelity.n, fidelity.n_unmeasured, fidelity.mean_error) == (1, 2, 2.0)
    write_measurements(tmp_path / "out" / "measured.tsv", measurements)
    table = read_tsv(tmp_path / "out" / "measured.tsv")
    assert table[0] == {
        "participant_id": "sub-01",
        "ventricular_volume": "12",
        "brain_volume": "1010",
        "recorded_ventricular_volume": "10",
        "recorded_brain_volume": "1000",
    }
    assert table[1]["recorded_brain_volume"] is None
    assert table[2]["ventricular_volume"] is None


def test_without_records_there_is_no_agreement_and_no_column(tmp_path):
    one = Measurement("a", tmp_path / "a.nii", BrainVolumes(1.234, 2.0), BrainVolumes(NAN, NAN))
    assert fidelity_of([one]) == {}
    write_measurements(tmp_path / "t.tsv", [one])
    assert read_tsv(tmp_path / "t.tsv") == [{"participant_id": "a", "ventricular_volume": "1.23", "brain_volume": "2"}]


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """Three participants; the first with two sessions, of which the table knows one volume. Volumes are made up."""
    folder = tmp_path / "study"
    rows = [{"participant_id": f"sub-{i}", "ventricular_volume": None, "brain_volume": 1000.0 + i} for i in (1, 2, 3)]
    write_participants(folder, rows)
    for place in ("sub-1/ses-1", "sub-1/ses-2", "sub-2", "sub-3"):
        name = place.replace("/", "_")
        write_nifti(folder / place / "anat" / f"{name}_T1w.nii.gz", np.zeros((4, 4, 4)), np.diag([2, 2, 2, 1]))
        write_nifti(folder / place / "anat" / f"{name}_acq-fast_T1w.nii.gz", np.zeros((4, 4, 4)), np.eye(4))
    (folder / "sub-1" / "sub-1_sessions.tsv").write_text("session_id\tventricular_volume\nses-2\t25.5\n")
    order = {"sub-1_ses-1": 1, "sub-1_ses-2": 2, "sub-2": 3, "sub-3": 4}

    def measure(path, **_):
        number = order[path.name.replace("_acq-fast", "").removesuffix("_T1w.nii.gz")]
        return BrainVolumes(20.0 + number / 3, 1000.0 + number / 7)

    monkeypatch.setattr(measurement, "measure_file", measure)
    return folder


def test_sessions_have_lines_of_their_own(visits, tmp_path):
    found = find_images(visits)
    assert [name for name, _, _ in found] == ["sub-1_ses-1", "sub-1_ses-2", "sub-2", "sub-3"]
    assert found[1][2] == BrainVolumes(25.5, 1001.0)
    assert found[0][1].name == "sub-1_ses-1_T1w.nii.gz"
    assert find_images(visits, entities={"acq": "fast"})[0][1].name == "sub-1_ses-1_acq-fast_T1w.nii.gz"
    write_measurements(tmp_path / "t.tsv", measure_folder(visits, progress=False))
    table = read_tsv(tmp_path / "t.tsv")
    assert [(row["participant_id"], row["session_id"]) for row in table] == [
        ("sub-1", "ses-1"),
        ("sub-1", "ses-2"),
        ("sub-2", None),
        ("sub-3", None),
    ]
    assert write_volumes(visits, tmp_path / "t.tsv") == 5  # what is known stays
    assert [found[2].ventricular_volume for found in find_images(visits)] == [20.33, 25.5, 21.0, 21.33]
    assert read_tsv(visits / "sub-1" / "sub-1_sessions.tsv") == [
        {"session_id": "ses-2", "ventricular_volume": "25.5", "brain_volume": "1000.29"},
        {"session_id": "ses-1", "ventricular_volume": "20.33", "brain_volume": "1000.14"},
    ]


def test_the_table_does_not_depend_on_how_the_work_was_shared(visits, tmp_path):
    write_measurements(tmp_path / "whole.tsv", measure_folder(visits, progress=False))
    parts = []
    for number, options in enumerate(
        ({"participant_label": [3]}, {"participant_label": "1,2", "session_id": None}), start=1
    ):
        parts.append(tmp_path / f"part{number}.tsv")
        write_measurements(parts[-1], measure_folder(visits, progress=False, **options))
    write_measurements(tmp_path / "merged.tsv", merge_measurements(visits, parts))
    assert (tmp_path / "merged.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    with pytest.raises(DatasetError, match=r"(?s)not in the tables \(1\):\n  sub-3"):
        merge_measurements(visits, parts[1:])
    with pytest.raises(DatasetError, match=r"(?s)measured twice \(1\):.*part1\.tsv: sub-3"):
        merge_measurements(visits, [*parts, parts[0]])
    with pytest.raises(DatasetError, match="not in the folder"):
        merge_measurements(visits, parts, participant_label="1")


def test_a_folder_of_files_has_nothing_to_select(tmp_path):
    write_nifti(tmp_path / "a.nii", np.zeros((4, 4, 4)), np.eye(4))
    with pytest.raises(ValueError, match=r"has no participants\.tsv, and participant_label chooses in a BIDS dataset"):
        find_images(tmp_path, participant_label="1")
