"""Every layout on made-up folders: what is found, what is left out, and what the tables say."""

from __future__ import annotations

import zipfile

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.prepare.layouts import LAYOUTS, detect, read_download
from brain_bundles.prepare.layouts.rire import read_ascii
from brain_bundles.prepare.scans import MASK

DATA = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def image(path, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(DATA, np.eye(4) if affine is None else affine), path)
    return path


def found(download):
    return sorted((s.participant_id, s.session_id, s.contrast, s.path.name) for s in download.scans)


def read(root, layout, tmp_path, **options):
    assert detect(root) == layout
    return read_download(root, work_dir=tmp_path / "work", **options)


def test_ixi(ixi, tmp_path):
    download = read(ixi, "ixi", tmp_path)
    names = found(download)
    assert len(names) == 17  # one person lacks PD, diffusion is left out
    assert names[0] == ("sub-IXI002", None, "PDw", "IXI002-Guys-0828-PD.nii.gz")
    assert download.people["sub-IXI003"] == {"age": 39.5, "sex": "F"}
    assert [kind for kind, _ in download.left_out] == ["a map or a diffusion image"]


def test_the_table_of_ixi_as_xls_has_people_twice(tmp_path):
    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook()
    sheet = book.add_sheet("Table")
    rows = [
        ("IXI_ID", "SEX_ID (1=m, 2=f)", "AGE"),
        (2, 2, 35.8),
        (2, 2, 35.8),
        (12, 1, 38.78),
        (12, 1, 50.0),
        (13, 1, ""),
    ]
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            sheet.write(i, j, cell)
    root = tmp_path / "IXI"
    for person in ("IXI002-Guys-0828", "IXI012-HH-1211", "IXI013-HH-1212"):
        image(root / f"{person}-T1.nii.gz")
    book.save(str(root / "IXI.xls"))
    download = read(root, "ixi", tmp_path)
    assert download.people["sub-IXI002"] == {"age": 35.8, "sex": "F"}
    assert download.people["sub-IXI012"] == {"age": None, "sex": "M"}
    assert download.people["sub-IXI013"] == {"sex": "M"}
    assert ("contradicting rows", "IXI.xls: sub-IXI012: age 38.78 and 50.0") in download.left_out


@pytest.mark.parametrize(
    ("folder", "person", "names"),
    [
        ("HGG/Brats18_2013_11_1", "sub-Brats182013111", ["t1", "t1ce", "t2", "flair", "seg"]),
        ("BraTS19_CBICA_AAB_1", "sub-BraTS19CBICAAAB1", ["t1", "t1ce", "t2", "flair"]),
        ("BraTS20_Training_001", "sub-BraTS20Training001", ["t1", "t1ce", "t2", "flair", "seg"]),
        ("BraTS2021_00000", "sub-BraTS202100000", ["t1", "t1ce", "t2", "flair", "seg"]),
    ],
)
def test_brats_until_2021(tmp_path, folder, person, names):
    root = tmp_path / "brats"
    stem = folder.split("/")[-1]
    for name in names:
        image(root / folder / f"{stem}_{name}.nii.gz")
    (root / "survival_data.csv").write_text(f"Brats20ID,Age,Survival_days\n{stem},60.5,289\n")
    download = read(root, "brats", tmp_path)
    contrasts = [contrast for _, _, contrast, _ in found(download)]
    assert sorted(contrasts) == ["FLAIR", "T1w", "T2w", "ce-gadolinium_T1w"]
    assert {who for who, *_ in found(download)} == {person}
    assert download.people[person]["age"] == 60.5
    assert [kind for kind, _ in download.left_out] == ["a segmentation"] * ("seg" in names)


def test_brats_since_2023_has_visits(tmp_path):
    root = tmp_path / "brats"
    for visit in ("000", "001"):
        for name in ("t1n", "t1c", "t2w", "t2f", "seg"):
            image(root / f"BraTS-GLI-00005-{visit}" / f"BraTS-GLI-00005-{visit}-{name}.nii.gz")
    download = read(root, "brats", tmp_path)
    visits = download.visits()
    assert [visit.name for visit in visits] == ["sub-BraTSGLI00005_ses-000", "sub-BraTSGLI00005_ses-001"]
    assert sorted(visits[1].scans) == ["FLAIR", "T1w", "T2w", "ce-gadolinium_T1w"]


def test_oasis_1_gets_its_axes_and_its_table(tmp_path):
    root = tmp_path / "oasis"
    folder = root / "disc1" / "OAS1_0001_MR1"
    for name in ("RAW/OAS1_0001_MR1_mpr-1_anon", "PROCESSED/MPRAGE/SUBJ_111/OAS1_0001_MR1_mpr_n4_anon_sbj_111"):
        (folder / name).parent.mkdir(parents=True)
        nib.save(nib.AnalyzeImage(DATA[..., None], np.diag([1, 1, 1.25, 1])), f"{folder / name}.img")
    (root / "oasis_cross-sectional.csv").write_text(
        "ID,M/F,Hand,Age,Educ\nOAS1_0001_MR1,F,R,74,2\nOAS1_0002_MR1,M,R,20,\n"
    )
    download = read(root, "oasis", tmp_path)
    (scan,) = download.scans
    assert (scan.participant_id, scan.session_id, scan.path.parent.name) == ("sub-OAS10001", "ses-1", "SUBJ_111")
    assert download.people == {"sub-OAS10001": {"age": 74.0, "sex": "F"}}
    made = nib.load(scan.file(tmp_path))
    assert nib.aff2axcodes(made.affine) == ("A", "S", "L")
    np.testing.assert_array_equal(np.asarray(made.dataobj), DATA)
    np.testing.assert_allclose(made.header.get_zooms(), (1, 1, 1.25))


@pytest.mark.parametrize("style", ["{0}-{1}.0", "f.{0}.{1}.0", "p{0}_i{1}"])
def test_uk_biobank(tmp_path, style):
    root = tmp_path / "ukb"
    root.mkdir()
    inner = image(tmp_path / "T1.nii.gz")
    for instance in (2, 3):
        with zipfile.ZipFile(root / f"1000001_20252_{instance}_0.zip", "w") as archive:
            archive.write(inner, "T1/T1.nii.gz")
            archive.write(inner, "T1/T1_brain_mask.nii.gz")
    with zipfile.ZipFile(root / "1000001_20253_2_0.zip", "w") as archive:
        archive.write(inner, "T2_FLAIR/T2_FLAIR.nii.gz")
    with zipfile.ZipFile(root / "1000002_20252_2_0.zip", "w") as archive:
        archive.write(inner, "T1/unusable/T1.nii.gz")
    (root / "1000003_20252_2_0.zip").write_bytes(b"half")
    columns = [style.format(field, i) for field in (21003, 25004, 25009) for i in (2, 3)]
    sex = "p31" if style.startswith("p") else style.format(31, 0)
    lines = [["eid", sex, *columns], ["1000001", "1", "55", "58", "31500", "32500", "1500000", ""]]
    (root / "table.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    download = read(root, "uk_biobank", tmp_path)
    first, second = download.visits()
    assert (first.name, sorted(first.scans), len(first.masks)) == ("sub-1000001_ses-2", ["FLAIR", "T1w"], 1)
    assert second.name == "sub-1000001_ses-3"
    assert download.people == {"sub-1000001": {"sex": "M"}}
    row = {"age": 55.0, "ventricular_volume": 31.5, "brain_volume": 1500.0}
    assert download.sessions["sub-1000001", "ses-2"] == row
    assert download.sessions["sub-1000001", "ses-3"]["brain_volume"] is None
    assert sorted(kind for kind, _ in download.left_out) == ["no T1/T1.nii.gz in the zip", "unreadable zip"]
    np.testing.assert_array_equal(np.asarray(nib.load(first.scans["T1w"].file(tmp_path)).dataobj), DATA)
    assert "25009" in str(download.columns["brain_volume"])


HEADER = "Rows := 5\nColumns := 4\nNumber of slices := 6\nPixel size := 1.25 : 1.25\nSlice thickness := 4.0\n"


def test_rire(tmp_path):
    root = tmp_path / "rire"
    for folder in ("mr_T1", "mr_T1_rectified", "mr_PD", "ct"):
        where = root / "patient_001" / folder
        where.mkdir(parents=True)
        (where / "header.ascii").write_text(HEADER)
        DATA.transpose(2, 1, 0).astype(">i2").tofile(where / "image.bin")
    download = read(root, "rire", tmp_path)
    (visit,) = download.visits()
    assert sorted(visit.scans) == ["PDw", "T1w"]
    assert visit.scans["T1w"].path.parent.name == "mr_T1_rectified"
    made = nib.load(visit.scans["PDw"].file(tmp_path))
    np.testing.assert_array_equal(np.asarray(made.dataobj), DATA)
    assert nib.aff2axcodes(made.affine) == ("L", "P", "S")
    np.testing.assert_allclose(made.header.get_zooms(), (1.25, 1.25, 4.0))


def test_rire_says_what_is_wrong_with_an_image(tmp_path):
    header = tmp_path / "header.ascii"
    header.write_text(HEADER)
    with pytest.raises(ValueError, match=r"unpack image\.bin\.Z first"):
        read_ascii(header)
    np.zeros(7, ">i2").tofile(tmp_path / "image.bin")
    with pytest.raises(ValueError, match="7 voxels, the header says 4 x 5 x 6"):
        read_ascii(header)
    header.write_text("Rows := 5\n")
    with pytest.raises(ValueError, match="no usable value of 'columns'"):
        read_ascii(header)


def test_bids_with_sessions_masks_and_entities(tmp_path):
    root = tmp_path / "bids"
    for name in ("T1w", "acq-3D_run-1_FLAIR", "ce-GADOLINIUM_T1w", "desc-brain_mask", "dseg", "bold"):
        image(root / "sub-1" / "ses-a" / "anat" / f"sub-1_ses-a_{name}.nii.gz")
    image(root / "sub-2" / "anat" / "sub-2_run-2_T1w.nii.gz")
    image(root / "sub-2" / "anat" / "sub-2_run-1_T1w.nii.gz")
    image(root / "sub-2" / "anat" / "sub-2_acq-lowres_run-1_T1w.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tage\tsplit\nsub-1\t60\ttest\nsub-9\t1\tval\n")
    (root / "sub-1" / "sub-1_sessions.tsv").write_text("session_id\tage\nses-a\t61\n")
    download = read(root, "bids", tmp_path)
    first, second = download.visits()
    assert sorted(first.scans) == ["FLAIR", "T1w", "ce-gadolinium_T1w"]
    assert [mask.path.name for mask in first.masks] == ["sub-1_ses-a_desc-brain_mask.nii.gz"]
    assert second.scans["T1w"].path.name == "sub-2_run-1_T1w.nii.gz"
    assert download.people["sub-1"]["split"] == "test"
    assert download.sessions["sub-1", "ses-a"]["age"] == 61
    kinds = [kind for kind, _ in download.left_out]
    assert kinds.count("another scan of this contrast") == 2
    assert ("no row in participants.tsv, prepared without", "sub-2") in download.left_out
    assert ("in participants.tsv without a scan", "sub-9") in download.left_out
    chosen = read_download(root, work_dir=tmp_path).visits({"acq": "lowres"})[1]
    assert chosen.scans["T1w"].path.name == "sub-2_acq-lowres_run-1_T1w.nii.gz"


def test_a_folder_of_files_and_a_folder_per_patient(tmp_path):
    root = tmp_path / "files"
    image(root / "anna_T1.nii.gz")
    image(root / "anna-FLAIR.nii")
    image(root / "anna_seg.nii.gz")
    image(root / "patient 7" / "T2.nii.gz")
    image(root / "patient 7" / "notes.nii.gz")
    (root / "participants.csv").write_text("subject;age;sex\nanna;44;female\npatient 7;200;M\n")
    download = read(root, "folder", tmp_path)
    assert [(who, contrast) for who, _, contrast, _ in found(download)] == [
        ("sub-anna", "FLAIR"),
        ("sub-anna", "T1w"),
        ("sub-patient7", "T2w"),
    ]
    assert download.people["sub-anna"] == {"age": 44.0, "sex": "F"}
    assert download.people["sub-patient7"] == {"sex": "M"}
    kinds = sorted(kind for kind, _ in download.left_out)
    assert kinds == ["a segmentation", "impossible value", "its name does not end in a contrast"]


def test_masks_by_their_ending_and_a_table_from_elsewhere(tmp_path):
    root = tmp_path / "files"
    for name in ("anna_T1", "anna_T1_brainmask", "bert_T1", "bert_brainmask", "carl_brainmask"):
        image(root / f"{name}.nii.gz")
    (tmp_path / "ages.tsv").write_text("participant_id\tage\nsub-bert\t30\n")
    download = read_download(root, work_dir=tmp_path, table=tmp_path / "ages.tsv", mask="brainmask")
    masks = [(scan.participant_id, scan.path.name) for scan in download.scans if scan.contrast == MASK]
    expected = [("sub-anna", "anna_T1_brainmask.nii.gz"), ("sub-bert", "bert_brainmask.nii.gz")]
    assert sorted(masks) == expected
    assert [detail for kind, detail in download.left_out if kind == "a mask of no image"] == [
        str(root / "carl_brainmask.nii.gz")
    ]
    assert download.people["sub-bert"]["age"] == 30
    (tmp_path / "bad.csv").write_text("name,age\nx,1\n")
    with pytest.raises(ValueError, match="no column of ids among name"):
        read_download(root, work_dir=tmp_path, table=tmp_path / "bad.csv")


def test_a_mask_is_not_given_to_another_person(tmp_path):
    for name in ("p1_T1", "p1_mask", "p10_T1", "sub-2_T1", "sub-20_T1", "sub-2_mask", "mask"):
        image(tmp_path / "files" / f"{name}.nii.gz")
    download = read_download(tmp_path / "files", work_dir=tmp_path, mask="mask")
    masks = {scan.participant_id: scan.path.name for scan in download.scans if scan.contrast == MASK}
    assert masks == {"sub-p1": "p1_mask.nii.gz", "sub-2": "sub-2_mask.nii.gz"}
    assert ("a mask of no image", str(tmp_path / "files" / "mask.nii.gz")) in download.left_out


def test_ages_with_a_comma_are_read_and_others_are_named(tmp_path):
    for name in ("anna", "bert", "carl"):
        image(tmp_path / "files" / f"{name}_T1.nii.gz")
    (tmp_path / "ages.csv").write_text("participant_id;age\nanna;35,5\nbert;89+\ncarl;n/a\n")
    download = read_download(tmp_path / "files", work_dir=tmp_path, table=tmp_path / "ages.csv")
    assert download.people["sub-anna"]["age"] == 35.5
    (found,) = [detail for kind, detail in download.left_out if kind == "impossible value"]
    assert "sub-bert" in found
    assert "89+" in found


def test_what_is_no_download_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        detect(tmp_path / "no")
    with pytest.raises(FileNotFoundError, match=r"no layout is recognised\. Known are ixi: IXI002"):
        detect(tmp_path)
    with pytest.raises(ValueError, match="layout is 'nifti', known are ixi, oasis"):
        read_download(tmp_path, "nifti", work_dir=tmp_path)
    assert list(LAYOUTS)[-1] == "folder"
