from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.prepare.heads import (
    VisitError,
    brain_of,
    choose_reference,
    constant_background,
    read_head,
    read_masks,
)
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.scans import MASK, Scan, Visit, label, selected

from .heads import head

AFFINE = np.diag([-6.0, -6.0, 6.0, 1.0])


def scan(path: Path, contrast="T1w") -> Scan:
    return Scan("sub-1", None, contrast, path)


@pytest.fixture
def brain(tmp_path):
    """A brain without skull in LPS, its mask on the same grid, and a mask on another grid."""
    image, _, mask = head("T1w", spacing=6.0, shape=(32, 40, 40))
    nib.save(nib.Nifti1Image(image * mask.astype(np.int16), AFFINE), tmp_path / "T1w.nii.gz")
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), AFFINE), tmp_path / "mask.nii.gz")
    nib.save(nib.Nifti1Image(mask[:-1].astype(np.uint8), AFFINE), tmp_path / "other.nii.gz")
    return tmp_path, mask


def test_a_background_of_one_value_becomes_0(brain):
    folder, _ = brain
    image = nib.load(folder / "T1w.nii.gz")
    values = np.asarray(image.dataobj, dtype=np.float32)
    plain = read_head(scan(folder / "T1w.nii.gz"), folder)
    for number, (scale, shift) in enumerate(((1 / 500, -1.0), (1, -1024.0))):
        path = folder / f"{number}.nii.gz"
        nib.save(nib.Nifti1Image(values * scale + shift, AFFINE), path)
        shifted = read_head(scan(path), folder)
        np.testing.assert_allclose(shifted.volume.data, plain.volume.data * scale, atol=2e-4)
        assert {"Step": "background", "Subtracted": shift} in shifted.steps
    assert constant_background(np.random.default_rng(0).normal(5, 1, (9, 9, 9)).astype(np.float32)) == 0.0
    assert not plain.whole


def test_a_bad_file_is_named(brain):
    folder, _ = brain
    (folder / "half.nii.gz").write_bytes((folder / "T1w.nii.gz").read_bytes()[:2000])
    with pytest.raises(VisitError, match=r"unreadable or truncated image: .*half\.nii\.gz"):
        read_head(scan(folder / "half.nii.gz"), folder)


def test_a_mask_on_the_grid_is_used_and_another_one_is_noted(brain):
    folder, mask = brain
    masks = [scan(folder / name, MASK) for name in ("other.nii.gz", "mask.nii.gz")]
    scans = {"T1w": scan(folder / "T1w.nii.gz")}
    image = read_head(scans["T1w"], folder)
    both = read_masks(Visit("sub-1", None, scans, masks), folder)
    found, step = brain_of(image, both, Options())
    np.testing.assert_array_equal(found, mask[::-1, ::-1])  # in RAS, as the image
    assert step["Mask"] == "mask.nii.gz"
    found, step = brain_of(image, {"other.nii.gz": both["other.nii.gz"]}, Options())
    assert step == {"Step": "brain extraction", "Method": "extracted before", "MasksOnOtherGrids": ["other.nii.gz"]}
    assert brain_of(image, both, Options(extract_brain="false"))[0] is None
    assert choose_reference({"T1w": image}, both, Options()) is image


def test_the_reference_is_the_contrast_that_a_mask_lies_on(brain):
    folder, _ = brain
    flair = read_head(scan(folder / "T1w.nii.gz", "FLAIR"), folder)
    other = nib.Nifti1Image(np.asarray(nib.load(folder / "T1w.nii.gz").dataobj)[2:], AFFINE)
    nib.save(other, folder / "cut.nii.gz")
    t1 = read_head(scan(folder / "cut.nii.gz"), folder)
    heads = {"T1w": t1, "FLAIR": flair}
    masks = read_masks(Visit("sub-1", None, {}, [scan(folder / "mask.nii.gz", MASK)]), folder)
    assert choose_reference(heads, {}, Options()) is t1
    assert choose_reference(heads, masks, Options()) is flair
    assert choose_reference(heads, {}, Options(reference="FLAIR")) is flair


def test_labels_and_selection():
    assert label("BraTS-GLI-00005") == "BraTSGLI00005"
    with pytest.raises(ValueError, match="'--' has no letters or digits"):
        label("--")
    visits = [Visit("sub-1", "ses-a", {}), Visit("sub-1", "ses-b", {}), Visit("sub-2", "ses-a", {})]
    assert [v.name for v in selected(visits, ["1"], ["ses-b"])] == ["sub-1_ses-b"]
    with pytest.raises(ValueError, match=r"no ses-c in the source; it has ses-a, ses-b \(2 in all\)"):
        selected(visits, None, ["c"])
