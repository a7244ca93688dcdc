"""The one affine of an image, out of the forms of its NIfTI header.

A NIfTI header places its voxels up to twice, by the sform and by the qform. The sform is used if its code is 1 to 5 and
it can be inverted, else the qform under the same conditions. Without either the voxels' sizes alone are used, as in
nibabel: the first axis runs to the left, and the world's origin is the middle of the volume. Every part of the project
reads this affine, so what was checked is what a network sees and what a result is written with.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from brain_bundles.data.problems import ImageError

MAX_EXTENT_MM = 600.0  # twice a head; also bounds the size of a volume that is resampled to 1 mm
MAX_DISTANCE_MM = 10_000.0  # from the world's origin; beyond, float32 positions are no longer exact
# Smallest volume of a voxel, as a share of the product of its edges; 1 is a box.
MIN_ORTHOGONALITY = 0.1
# Rounding of a quaternion in float32 turns a head by at most 0.06 mm; real scans differ by up to 0.003 mm.
FORMS_TOLERANCE_MM = 0.1
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI's codes of metres, millimetres and micrometres
_UNITS = {1: "metres", 2: "millimetres", 3: "micrometres"}


def unit_mm(raw: nib.nifti1.Nifti1Header) -> float:
    """Length of the header's unit, mm; an unknown unit counts as millimetres."""
    return _MM_PER_UNIT.get(int(raw["xyzt_units"]) & 7, 1.0)


def form_affines(raw: nib.nifti1.Nifti1Header) -> dict[str, NDArray[np.float64] | None]:
    """The forms with a code of 1 to 5, in the order in which they are used: name -> affine to mm.

    None stands for a form that has a code and cannot be used.
    """
    codes = {name: int(raw[f"{name}_code"]) for name in ("sform", "qform")}
    makers = {"sform": raw.get_sform, "qform": lambda: _qform(raw)}
    found: dict[str, NDArray[np.float64] | None] = {}
    for name in (name for name, code in codes.items() if code in nib.nifti1.xform_codes.value_set()):
        if codes[name] == 0:
            continue
        try:
            with np.errstate(all="ignore"):
                affine = np.asarray(makers[name](), dtype=np.float64)
                affine[:3] *= unit_mm(raw)
        except (HeaderDataError, ValueError):
            affine = np.full((4, 4), np.nan)
        found[name] = affine if _usable(affine) else None
    return found


def used_affine(
    raw: nib.nifti1.Nifti1Header, shape: tuple[int, int, int]
) -> tuple[NDArray[np.float64], str, str | None]:
    """Affine to mm, name of the form that gave it, and the contradiction of the forms as text, None without one.

    Raises:
        ImageError: if neither a form nor the voxels' sizes can be used.
    """
    forms = form_affines(raw)
    usable = {name: affine for name, affine in forms.items() if affine is not None}
    pixdim = np.asarray(raw["pixdim"][1:4], dtype=np.float64) * unit_mm(raw)
    if not usable and forms:
        given = ", ".join(f"{name} {_text(raw, name)}" for name in forms)
        raise ImageError("unusable affine", f"{given} cannot be inverted; repair the header")
    if not usable:
        if not (np.isfinite(pixdim).all() and (pixdim > 0).all()):
            raise ImageError("unusable affine", f"it has no form, and pixdim is {pixdim.tolist()}; repair the header")
        return nib.volumeutils.shape_zoom_affine(shape, pixdim, x_flip=True), "pixdim", None
    form, affine = next(iter(usable.items()))
    others = {name: other for name, other in forms.items() if name != form}
    for name, other in others.items():
        if other is None:
            return affine, form, f"{name} {_text(raw, name)} cannot be used, {form} is used: {_rounded(affine)}"
        if (apart := _distance(affine, other, shape)) > FORMS_TOLERANCE_MM:
            text = f"sform {_rounded(affine)} and qform {_rounded(other)} are up to {apart:.4g} mm apart"
            return affine, form, f"{text}; the {form} is used"
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not others and not np.allclose(np.abs(pixdim), edges, rtol=0.01, equal_nan=False):
        sizes = f"{form} has voxels of {edges.round(4).tolist()} mm, pixdim of {pixdim.round(4).tolist()} mm"
        return affine, form, f"{sizes}; the {form} is used"
    return affine, form, None


def check_extent(affine: NDArray[np.float64], shape: tuple[int, int, int], raw: nib.nifti1.Nifti1Header) -> None:
    """Refuse an image that is too long, or too far from the world's origin."""
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    extent = edges * shape
    if (extent > MAX_EXTENT_MM).any() or (np.abs(_corners(affine, shape)) > MAX_DISTANCE_MM).any():
        unit = _UNITS.get(int(raw["xyzt_units"]) & 7, "no unit")
        raise ImageError(
            "unusable affine",
            f"{affine.tolist()} makes it {extent.round(1).tolist()} mm long, at most {MAX_EXTENT_MM:g} mm within "
            f"{MAX_DISTANCE_MM / 1000:g} m of the origin are expected (unit in the header: {unit}); repair the header",
        )


def _qform(raw: nib.nifti1.Nifti1Header) -> NDArray[np.float64]:
    copy = raw.copy()
    # NIfTI's rule for qfac: what is not negative counts as 1.
    copy["pixdim"][0] = -1 if copy["pixdim"][0] < 0 else 1
    return np.asarray(copy.get_qform(), dtype=np.float64)


def _usable(affine: NDArray[np.float64]) -> bool:
    if not np.isfinite(affine).all():
        return False
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not (edges > 0).all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / edges)) >= MIN_ORTHOGONALITY)


def _corners(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    ends = np.stack(np.meshgrid(*((0, n - 1) for n in shape), indexing="ij"), -1).reshape(-1, 3)
    return ends @ affine[:3, :3].T + affine[:3, 3]


def _distance(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Largest distance between the places of a voxel by two affines, mm."""
    return float(np.linalg.norm(_corners(one, shape) - _corners(other, shape), axis=1).max())


def _text(raw: nib.nifti1.Nifti1Header, form: str) -> str:
    """Numbers of a form, as they stand in the header."""
    if form == "sform":
        return str([np.round(raw[f"srow_{axis}"], 4).tolist() for axis in "xyz"])
    names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    return str([round(float(raw[name]), 4) for name in names] + np.round(raw["pixdim"][:4], 4).tolist())


def _rounded(affine: NDArray[np.float64]) -> str:
    return str(affine[:3].round(4).tolist())
