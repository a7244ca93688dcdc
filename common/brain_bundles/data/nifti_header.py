"""Header of a NIfTI file: what it declares, checked before anything is allocated, and where it places its voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from brain_bundles.data.nifti_forms import check_extent, used_affine
from brain_bundles.data.problems import ImageError

HEADERS = (nib.nifti1.Nifti1Header, nib.nifti2.Nifti2Header)
HEADER_BYTES = 540  # of NIfTI-2, the longer one
# A head of 256 mm at 0.4 mm. As float32 it takes 1 GiB, and preprocessing needs several times that.
MAX_VOXELS = 2**28
MAX_OFFSET = 2**26  # bytes of header extensions
_EOL = ((13, 10, 26, 10), (0, 0, 0, 0))  # NIfTI-2's mark, which a transfer as text destroys


@dataclass(frozen=True)
class NiftiHeader:
    """Contents of a header that have been checked.

    Attributes:
        shape: (D, H, W); further axes of length 1 are left away.
        dtype: type of the stored numbers, with the file's byte order.
        offset: position of the first voxel in the file, bytes.
        slope: factor of the stored numbers; None if they are the values.
        inter: summand after the factor.
        affine: (4, 4) float64, voxel indices to RAS+ mm.
        form: form that gave the affine: "sform", "qform" or, without either, "pixdim".
        conflict: contradiction of the header's forms, as text; None if there is none.
        source: header as it was read.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    slope: float | None
    inter: float | None
    affine: NDArray[np.float64]
    form: str
    conflict: str | None
    source: nib.nifti1.Nifti1Header

    @property
    def data_bytes(self) -> int:
        """Length of the voxels in the file."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse_header(block: bytes) -> NiftiHeader:
    """Parse the first bytes of a NIfTI-1 or NIfTI-2 file (``HEADER_BYTES``, or fewer if the file is shorter).

    Raises:
        ImageError: if it is no NIfTI header, or declares something that cannot be an image of a brain.
    """
    raw = _raw_header(block)
    shape = _shape(raw)
    dtype = _dtype(raw)
    try:
        slope, inter = raw.get_slope_inter()
    except HeaderDataError as error:
        raise ImageError("unreadable or truncated image", str(error)) from error
    affine, form, conflict = used_affine(raw, shape)
    check_extent(affine, shape, raw)
    return NiftiHeader(shape, dtype, _offset(raw), slope, inter, affine, form, conflict, raw)


def _raw_header(block: bytes) -> nib.nifti1.Nifti1Header:
    for kind in HEADERS:
        size = kind.template_dtype.itemsize
        if len(block) >= size and kind.may_contain_header(block):
            try:
                raw = kind(block[:size], check=False)
            except (HeaderDataError, WrapStructError, ValueError) as error:
                raise ImageError("unreadable or truncated image", str(error)) from error
            if raw["magic"] == raw.single_magic:
                if "eol_check" in raw and tuple(raw["eol_check"]) not in _EOL:
                    raise ImageError("unreadable or truncated image", "its line ends were converted; copy it as binary")
                return raw
            if raw["magic"] == raw.pair_magic:
                pair = "its voxels are in a separate .img file; convert it to .nii.gz"
                raise ImageError("unreadable or truncated image", pair)
    raise ImageError("unreadable or truncated image", "not a NIfTI file")


def _shape(raw: nib.nifti1.Nifti1Header) -> tuple[int, int, int]:
    ndim = int(raw["dim"][0])
    lengths = [int(n) for n in raw["dim"][1:8]]
    if not 1 <= ndim <= 7 or min(lengths[:ndim]) < 1:
        raise ImageError("unreadable or truncated image", f"its header declares {ndim} axes of lengths {lengths}")
    shape = tuple(lengths[:ndim])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        kind = "4D image" if len(shape) > 3 else "2D image"
        whole = tuple(lengths[:ndim])
        raise ImageError(kind, f"shape {whole}, expected three dimensions; give one volume per file")
    if math.prod(shape) > MAX_VOXELS:
        raise ImageError(
            "too large", f"its header declares {shape} voxels, the limit is {MAX_VOXELS} (645^3); resample the image"
        )
    return shape


def _dtype(raw: nib.nifti1.Nifti1Header) -> np.dtype:
    try:
        dtype = raw.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise ImageError("unreadable or truncated image", f"data type {int(raw['datatype'])} is not known") from error
    if dtype.fields is not None:
        raise ImageError("colour image", f"voxels are {dtype}, expected one number; convert to grey values")
    if dtype.kind == "c":
        raise ImageError("complex image", f"voxels are {dtype}, expected real numbers; convert to magnitudes")
    if dtype.kind not in "iuf":
        raise ImageError("unreadable or truncated image", f"voxels are {dtype}, expected numbers")
    return dtype


def _offset(raw: nib.nifti1.Nifti1Header) -> int:
    value = float(raw["vox_offset"])
    least = raw.single_vox_offset
    if not value.is_integer() or not least <= value <= MAX_OFFSET:
        raise ImageError(
            "unreadable or truncated image",
            f"vox_offset is {value:g}, expected a whole number of bytes from {least} to {MAX_OFFSET}",
        )
    return int(value)
