"""What was checked is what is used, for every header that scanners and programs write."""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import check_image, read_header, read_image, to_ras
from brain_bundles.data.checks import image_grid
from brain_bundles.data.subject_checks import subject_problems
from brain_bundles.handlers import TranslationSaver
from brain_bundles.runs import RunOutput, translation_inputs
from brain_bundles.transforms import image_preprocessing, translation_postprocessing
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.orientations import aff2axcodes

SIZE, SPACING = (40, 48, 40), 4.0
SHAPE = (44, 52, 46)
CENTRE = np.array([5.0, -8.0, 6.0])
PREPROCESSING = image_preprocessing(
    "image", SPACING, SIZE, intensity_scale="percentiles", intensity_percentiles=(0, 100)
)
Header = nib.nifti1.Nifti1Header


def centred(matrix: np.ndarray, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return from_matvec(matrix, CENTRE - matrix @ ((np.array(shape) - 1) / 2))


STRAIGHT = centred(np.diag([3.5, 3.5, 3.8]))
LEFT_HANDED = centred(np.diag([-3.5, 3.5, 3.8]))
OBLIQUE = centred(euler2mat(0.2, -0.1, 0.15) @ np.diag([3.5, 3.3, 3.8]))
SHEARED = centred(np.array([[3.5, 0.4, 0], [0, 3.5, -0.3], [0.2, 0, 3.8]]))
AWAY = from_matvec(STRAIGHT[:3, :3], STRAIGHT[:3, 3] + [0, 0, 24])
# nibabel's default without a form: to the left, and the origin in the middle.
DEFAULT = from_matvec(np.diag([-3.5, 3.5, 3.8]), np.diag([-3.5, 3.5, 3.8]) @ (-(np.array(SHAPE) - 1) / 2))


def forms(sform: np.ndarray | None, qform: np.ndarray | None, codes: tuple[int, int] = (1, 1), **fields) -> Callable:
    """Change a header: both forms with their codes, None for a form of zeros, then single ``fields``."""

    def change(header: Header) -> None:
        if qform is not None:
            header.set_qform(qform, codes[1])
        if sform is not None:
            header.set_sform(sform, codes[0])
        for name, value in fields.items():
            header[name] = value

    return change


def pixdim(*values: float) -> np.ndarray:
    return np.array([*values, 1, 1, 1, 1][:8], dtype=np.float32)


NAN = {"quatern_b": np.nan, "quatern_c": np.nan}
SMALL, LARGE = np.diag([0.001, 0.001, 0.001, 1]), np.diag([1000.0, 1000, 1000, 1])
# Name -> (how the header is made, the affine to mm that is right, words of the warning or None).
ZOO: dict[str, tuple[Callable, np.ndarray, str | None]] = {
    **{
        f"sform code {s}, qform code {q}": (forms(STRAIGHT, STRAIGHT, (s, q)), STRAIGHT, None)
        for s in range(5)
        for q in range(5)
        if s or q
    },
    "no codes": (forms(STRAIGHT, STRAIGHT, (0, 0)), DEFAULT, "No orientation"),
    "only a sform": (forms(STRAIGHT, None, pixdim=pixdim(1, 3.5, 3.5, 3.8)), STRAIGHT, None),
    "only a qform": (forms(None, OBLIQUE), OBLIQUE, None),
    "an old qform of code 0": (forms(STRAIGHT, AWAY, (1, 0)), STRAIGHT, None),
    "forms 24 mm apart": (forms(STRAIGHT, AWAY, (2, 1)), STRAIGHT, "up to 24 mm apart; the sform is used"),
    "turned by 180 degrees": (
        forms(STRAIGHT, centred(np.diag([-3.5, -3.5, 3.8])), (1, 1)),
        STRAIGHT,
        "apart; the sform is used",
    ),
    "sform of another size": (forms(STRAIGHT, centred(np.diag([7.0, 7, 7.6]))), STRAIGHT, "apart; the sform is used"),
    "pixdim off by rounding": (
        forms(STRAIGHT, None, pixdim=pixdim(1, 3.50004, 3.49996, 3.80003)),
        STRAIGHT,
        None,
    ),
    "both forms and pixdim off by rounding": (
        forms(OBLIQUE, OBLIQUE, pixdim=pixdim(1, 3.50003, 3.3, 3.79998)),
        OBLIQUE,
        None,
    ),
    "zero pixdim": (forms(STRAIGHT, STRAIGHT, pixdim=pixdim(1, 0, 0, 0)), STRAIGHT, "qform .* cannot be used"),
    "negative pixdim": (forms(STRAIGHT, STRAIGHT, pixdim=pixdim(1, -3.5, 3.5, 3.8)), STRAIGHT, "cannot be used"),
    "zero pixdim without a qform": (forms(STRAIGHT, None, pixdim=pixdim(0, 0, 0, 0)), STRAIGHT, "pixdim of"),
    "NaN quaternion": (forms(STRAIGHT, STRAIGHT, **NAN), STRAIGHT, "qform .* cannot be used, sform is used"),
    "NaN quaternion of code 0": (forms(STRAIGHT, STRAIGHT, (1, 0), **NAN), STRAIGHT, None),
    "NaN sform": (forms(STRAIGHT, STRAIGHT, srow_x=[np.nan] * 4), STRAIGHT, "sform .* cannot be used, qform is used"),
    "sform of zeros": (forms(None, STRAIGHT, sform_code=1), STRAIGHT, "sform .* cannot be used, qform is used"),
    "qfac 0": (forms(None, STRAIGHT, pixdim=pixdim(0, 3.5, 3.5, 3.8)), STRAIGHT, None),
    "left-handed": (forms(LEFT_HANDED, LEFT_HANDED), LEFT_HANDED, None),
    "left-handed by its quaternion alone": (forms(None, LEFT_HANDED), LEFT_HANDED, None),
    "oblique": (forms(OBLIQUE, OBLIQUE), OBLIQUE, None),
    "sheared": (forms(SHEARED, None, pixdim=pixdim(1, 3.5057, 3.5228, 3.8118)), SHEARED, None),
    "sheared beside a qform": (forms(SHEARED, SHEARED), SHEARED, "apart; the sform is used"),
    "micrometres": (forms(LARGE @ STRAIGHT, LARGE @ STRAIGHT, xyzt_units=3), STRAIGHT, None),
    "metres": (forms(SMALL @ STRAIGHT, SMALL @ STRAIGHT, xyzt_units=1), STRAIGHT, None),
    "millimetres and seconds": (forms(STRAIGHT, STRAIGHT, xyzt_units=10), STRAIGHT, None),
    "scl_slope 0": (forms(STRAIGHT, STRAIGHT, scl_slope=0.0, scl_inter=5.0), STRAIGHT, None),
    "scl_slope NaN": (forms(STRAIGHT, STRAIGHT, scl_slope=np.nan), STRAIGHT, None),
    "scl_slope and scl_inter": (forms(STRAIGHT, STRAIGHT, scl_slope=0.5, scl_inter=-200.0), STRAIGHT, None),
    "descrip that is not ASCII": (forms(STRAIGHT, STRAIGHT, descrip="Schädel äöü".encode("latin-1")), STRAIGHT, None),
}
# Name -> (kind of the problem, how the header is made).
REFUSED: dict[str, tuple[str, Callable]] = {
    "zero pixdim, and no other form": ("unusable affine", forms(None, STRAIGHT, pixdim=pixdim(1, 3.5, 0, 3.8))),
    "NaN quaternion, and no other form": ("unusable affine", forms(None, STRAIGHT, **NAN)),
    "negative pixdim, and no form": ("unusable affine", forms(None, None, pixdim=pixdim(1, -1, 1, 1))),
    "both forms unusable": ("unusable affine", forms(STRAIGHT, STRAIGHT, srow_z=[0] * 4, quatern_b=2)),
    "axes nearly parallel": ("unusable affine", forms(STRAIGHT, None, srow_x=[3.5, 3.5, 0, 0], srow_y=[0, 0.01, 0, 0])),
    "metres that are millimetres": ("unusable affine", forms(STRAIGHT, STRAIGHT, xyzt_units=1)),
    "20 m from the origin": ("unusable affine", forms(STRAIGHT, None, srow_x=[3.5, 0, 0, 20_000])),
    "infinite vox_offset": ("unreadable or truncated image", forms(STRAIGHT, None, vox_offset=np.inf)),
    "vox_offset 0, which libraries read in three ways": (
        "unreadable or truncated image",
        forms(STRAIGHT, None, vox_offset=0),
    ),
    "vox_offset within the header": ("unreadable or truncated image", forms(STRAIGHT, None, vox_offset=100)),
    "infinite intercept": ("unreadable or truncated image", forms(STRAIGHT, None, scl_slope=1, scl_inter=np.inf)),
    "unknown data type": ("unreadable or truncated image", forms(STRAIGHT, None, datatype=999)),
    "complex": ("complex image", forms(STRAIGHT, None, datatype=32)),
    "RGB": ("colour image", forms(STRAIGHT, None, datatype=128)),
    "RGBA": ("colour image", forms(STRAIGHT, None, datatype=2304)),
    "20,000 voxels along each axis": ("too large", forms(STRAIGHT, None, dim=[3, 20_000, 20_000, 20_000, 1, 1, 1, 1])),
    "negative length": ("unreadable or truncated image", forms(STRAIGHT, None, dim=[3, -5, 52, 46, 1, 1, 1, 1])),
    "no axes": ("unreadable or truncated image", forms(STRAIGHT, None, dim=[0, 44, 52, 46, 1, 1, 1, 1])),
    "nine axes": ("unreadable or truncated image", forms(STRAIGHT, None, dim=[9, 44, 52, 46, 1, 1, 1, 1])),
    "more voxels than the file": (
        "unreadable or truncated image",
        forms(STRAIGHT, None, dim=[3, 100, 120, 90, 1, 1, 1, 1]),
    ),
    "a pair's header": ("unreadable or truncated image", forms(STRAIGHT, None, magic=b"ni1")),
}


def brain(world: np.ndarray) -> np.ndarray:
    """Brightness at world positions (mm): an ellipsoid of 60 x 75 x 60 mm half-axes, brighter to the right and top."""
    place = world - CENTRE
    r = np.linalg.norm(place / [60, 75, 60], axis=-1)
    shade = 600 + 2 * place[..., 0] + 1 * place[..., 2] + 200 * np.sin(place / 5).prod(-1)
    return np.where(r < 1, shade * np.clip(8 * (1 - r), 0, 1), 0)


def save(
    path: Path,
    change: Callable,
    affine: np.ndarray,
    *,
    kind: type[Header] = Header,
    endianness: str = "<",
    dtype: type = np.int16,
    trailing: bool = False,
) -> Path:
    """Write the brain that is at its place under ``affine``, byte by byte, so that no library mends the header."""
    header = kind(endianness=endianness)
    header.set_data_shape((*SHAPE, 1) if trailing else SHAPE)
    header.set_data_dtype(dtype)
    header["vox_offset"] = header.single_vox_offset
    header["xyzt_units"] = 2
    change(header)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    values = brain(apply_affine(affine, grid))
    slope, inter = header.get_slope_inter() if np.isfinite(header["scl_inter"]) else (None, None)
    stored = np.rint((values - (inter or 0)) / (slope or 1)).astype(np.dtype(dtype).newbyteorder(endianness))
    content = header.binaryblock + b"\0\0\0\0" + stored.tobytes(order="F")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.name.lower().endswith(".gz") else content)
    return path


def check_that_it_is_used(path: Path, affine: np.ndarray, warning: str | None, folder: Path) -> nib.nifti1.Nifti1Image:
    """Checks, a network, measuring and the result see the brain at its place; return the result as nibabel reads it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs = translation_inputs(input=path, source="T1w", target="T2w")
    said = [str(w.message) for w in caught if "orientation" in str(w.message) or "contradict" in str(w.message)]
    assert inputs.problems == []
    if warning is None:
        assert said == []
    else:
        assert len(said) == 1
        assert path.name in said[0]
        assert re.search(warning, said[0])

    shape, checked = image_grid(path)
    assert shape == SHAPE
    np.testing.assert_allclose(checked, affine, atol=2e-3)  # float32 in the header, quaternions in particular

    item = PREPROCESSING(inputs.items[0])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij"), axis=-1)
    seen, truth = item["image"][0].numpy(), brain(apply_affine(item["image"].affine.numpy(), grid))
    assert np.corrcoef(seen.ravel(), truth.ravel())[0, 1] > 0.98

    measured = to_ras(read_image(path))
    assert aff2axcodes(measured.affine) == ("R", "A", "S")
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in measured.voxels.shape), indexing="ij"), axis=-1)
    np.testing.assert_allclose(measured.voxels, brain(apply_affine(measured.affine, grid)), atol=3)

    output = RunOutput(folder, inputs.items, settings={}, suffix="T2w", bids=False)
    output.prepare()
    TranslationSaver(output, translation_postprocessing(PREPROCESSING)).save(item, item["image"])
    made = output.path(output.rows[0])
    np.testing.assert_array_equal(read_header(made).affine, checked)
    image = nib.load(made)
    back, source = image.get_fdata(), read_image(path).voxels
    assert np.corrcoef(back.ravel(), source.ravel())[0, 1] > 0.97  # twice interpolated at 4 mm
    old = read_header(path).source
    for code in ("sform_code", "qform_code"):
        assert image.header[code] == old[code]
    assert int(image.header["xyzt_units"]) & 7 == int(old["xyzt_units"]) & 7
    assert image.get_data_dtype().newbyteorder("=") == old.get_data_dtype().newbyteorder("=")
    assert image.header["cal_max"] == 1
    assert bytes(image.header["descrip"]).rstrip(b"\0").endswith(b"T2w synthesised from T1w, translation")
    assert image.header.get_zooms()[:3] == pytest.approx(np.linalg.norm(old_affine(path), axis=0), rel=2e-5) or warning
    assert json.loads(made.with_name(made.name.replace(".nii.gz", ".json")).read_text())["SkullStripped"] is True
    return image


def old_affine(path: Path) -> np.ndarray:
    header = read_header(path)
    return header.affine[:3, :3] / {1: 1000.0, 3: 0.001}.get(int(header.source["xyzt_units"]) & 7, 1.0)


@pytest.mark.parametrize("name", ZOO)
def test_checks_networks_measuring_and_results_use_one_affine(tmp_path, name):
    change, affine, warning = ZOO[name]
    path = save(tmp_path / "a.nii.gz", change, affine)
    made = check_that_it_is_used(path, affine, warning, tmp_path / "out")
    # Nothing that can be used is lost: both forms are still there.
    old = read_header(path).source
    for field in ("srow_x", "srow_y", "srow_z"):
        if old["sform_code"] and np.isfinite(old["srow_x"]).all() and old["srow_x"].any():
            np.testing.assert_array_equal(made.header[field], old[field])
    for field in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
        if old["qform_code"] and np.isfinite(old["quatern_b"]) and (old["pixdim"][1:4] > 0).all():
            assert made.header[field] == old[field]
    assert np.isfinite(made.header.get_qform()).all()
    assert (made.header["pixdim"][1:4] > 0).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.NII.GZ", {}),
        ("a.nii", {}),
        ("a.nii.gz", {"endianness": ">"}),
        ("a.nii.gz", {"kind": nib.nifti2.Nifti2Header}),
        ("a.nii", {"kind": nib.nifti2.Nifti2Header, "endianness": ">"}),
        ("a.nii.gz", {"trailing": True}),
        *(("a.nii.gz", {"dtype": dtype}) for dtype in (np.uint16, np.int32, np.float32, np.float64, np.uint32)),
    ],
)
def test_formats_types_and_names(tmp_path, name, options):
    path = save(tmp_path / name, forms(OBLIQUE, OBLIQUE), OBLIQUE, **options)
    made = check_that_it_is_used(path, OBLIQUE, None, tmp_path / "out")
    assert isinstance(made.header, options.get("kind", Header))
    assert made.shape == SHAPE


@pytest.mark.parametrize("name", REFUSED)
def test_headers_that_cannot_be_used_are_refused_by_name(tmp_path, name):
    kind, change = REFUSED[name]
    for file in ("a.nii.gz", "a.nii"):
        path = save(tmp_path / file, change, STRAIGHT)
        problem = check_image(path).problem
        assert problem is not None
        assert problem[0] == kind
        assert str(path) in problem[1]


def test_bad_headers_leave_the_good_files_beside_them(tmp_path):
    for number, (_, change) in enumerate(REFUSED.values()):
        save(tmp_path / f"bad{number}_T1w.nii.gz", change, STRAIGHT)
    good = save(tmp_path / "good_T1w.nii.gz", forms(STRAIGHT, STRAIGHT), STRAIGHT)
    inputs = translation_inputs(input=tmp_path, source="T1w", target="T2w")
    assert [item["image"] for item in inputs.items] == [str(good)]
    assert len(inputs.problems) == len(REFUSED)


@pytest.mark.parametrize(
    ("change", "registered"),
    [
        (forms(STRAIGHT, STRAIGHT), True),
        (forms(STRAIGHT, STRAIGHT, pixdim=pixdim(1, 3.50004, 3.5, 3.8)), True),
        (forms(STRAIGHT, AWAY, (1, 0), pixdim=pixdim(1, 3.50004, 3.5, 3.8)), True),
        (forms(STRAIGHT, AWAY, (2, 1), pixdim=pixdim(1, 3.50004, 3.5, 3.8)), True),
        (forms(AWAY, STRAIGHT, (2, 1), pixdim=pixdim(1, 3.50004, 3.5, 3.8)), False),
    ],
)
def test_contrasts_that_pass_the_check_are_registered_in_training(tmp_path, change, registered):
    """The second contrast's voxels lie as its sform says, whatever the qform and pixdim are."""
    item = {
        "T1w": str(save(tmp_path / "sub-1_T1w.nii.gz", forms(STRAIGHT, STRAIGHT), STRAIGHT)),
        "T2w": str(save(tmp_path / "sub-1_T2w.nii.gz", change, STRAIGHT)),
    }
    problems = [kind for kind, _ in subject_problems([item], ["T1w", "T2w"])]
    assert problems == ([] if registered else ["different grids"])
    out = image_preprocessing(["T1w", "T2w"], SPACING, SIZE)(item)
    alike = np.corrcoef(out["T1w"].numpy().ravel(), out["T2w"].numpy().ravel())[0, 1]
    assert (alike > 0.999) == registered
