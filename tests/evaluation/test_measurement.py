import math

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import read_tsv, write_nifti, write_participants
from brain_bundles.evaluation import measurement
from brain_bundles.evaluation.measurement import (
    Measurement,
    fidelity_of,
    find_images,
    measure_file,
    measure_folder,
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
        assert np.isnan(measure_file(broken)).all()


def test_files_are_measured_in_ras_orientation(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        measurement, "measure_volumes", lambda v, affine, atlas, name: seen.update(volume=v) or BrainVolumes(1.0, 2.0)
    )
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(volume[::-1, ::-1], np.diag([-2, -2, 2, 1])), tmp_path / "lps.nii")
    assert measure_file(tmp_path / "lps.nii") == BrainVolumes(1.0, 2.0)
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
