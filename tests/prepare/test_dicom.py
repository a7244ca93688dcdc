import numpy as np
import pytest
from brain_bundles.prepare.layouts import detect, dicom, read_download
from brain_bundles.prepare.layouts.dicom import contrast_of_series
from brain_bundles.prepare.volume import read_volume, sitk

from .heads import head


def write_series(folder, description, number, contrast):
    """A series of axial slices as a scanner exports it."""
    folder.mkdir(parents=True)
    image, _, _ = head(contrast, spacing=6.0, shape=(32, 40, 24))
    uid = f"1.2.826.0.1.3680043.2.1125.{number}"
    for index in range(image.shape[2]):
        made = sitk.GetImageFromArray(np.ascontiguousarray(image[:, :, index].T)[None])
        made.SetSpacing((6.0, 6.0, 6.0))
        tags = {
            "0008|0060": "MR", "0008|0016": "1.2.840.10008.5.1.4.1.1.4", "0008|103e": description,
            "0008|0020": "20200102", "0008|0030": "120000", "0010|0020": "anna", "0010|0010": "anna",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.99", "0020|000e": uid, "0020|0011": str(number),
            "0020|0013": str(index + 1), "0020|0032": f"0\\0\\{index * 6}", "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": "6", "0018|0023": "3D", "0008|0070": "SIEMENS",
        }  # fmt: skip
        for key, value in tags.items():
            made.SetMetaData(key, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{index:03d}.dcm"))
        writer.Execute(made)
    return image


def test_series_are_converted_once_and_known_by_their_description(tmp_path):
    root, work = tmp_path / "dicom", tmp_path / "work"
    image = write_series(root / "anna" / "a", "t1_mprage_sag", 3, "T1w")
    write_series(root / "anna" / "b", "t2_tirm_dark-fluid FLAIR", 4, "FLAIR")
    write_series(root / "anna" / "c", "localizer", 1, "T2w")
    assert detect(root) == "dicom"
    download = read_download(root, work_dir=work)
    assert sorted((s.participant_id, s.session_id, s.contrast) for s in download.scans) == [
        ("sub-anna", None, "FLAIR"),
        ("sub-anna", None, "T1w"),
    ]
    assert [kind for kind, _ in download.left_out] == ["its description names no contrast"]
    (t1,) = [scan for scan in download.scans if scan.contrast == "T1w"]
    volume = read_volume(t1.path)
    assert sorted(volume.data.shape) == sorted(image.shape)
    np.testing.assert_allclose(np.sort(volume.data.ravel()), np.sort(image.ravel()))
    time = t1.path.stat().st_mtime_ns
    read_download(root, work_dir=work)
    assert t1.path.stat().st_mtime_ns == time


@pytest.mark.parametrize(
    ("description", "contrast"),
    [
        ("t1_mpr_sag", "T1w"),
        ("T1 post GD", "ce-gadolinium_T1w"),
        ("Ax T2 FLAIR fs", "FLAIR"),
        ("ep2d_diff", None),
        ("TOF_3D", "angio"),
        ("pd_tse", "PDw"),
    ],
)
def test_contrast_of_a_description(description, contrast):
    assert contrast_of_series({"SeriesDescription": description}) == contrast
    assert contrast_of_series({"SeriesDescription": "x", "ProtocolName": description}) == contrast


def test_without_dcm2niix_the_message_has_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'brain-bundles\[dicom\]'"):
        dicom.read(tmp_path, tmp_path)
