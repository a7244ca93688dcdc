"""NIfTI files of volumes in [0, 1] and of labels: same data, same bytes, and half-written files are found."""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import ArrayLike, NDArray

from brain_bundles.utils.atomic import atomic_write

# A power of two, so that 0 and 1 are exact after scaling; int16 keeps 14 bits of [0, 1].
SLOPE = 2.0**-14


def write_nifti(path: str | os.PathLike[str], volume: ArrayLike, affine: ArrayLike) -> None:
    """Write a volume in [0, 1] as int16 with ``scl_slope`` 2^-14 (error at most 3.1e-5), atomically.

    Args:
        path: ends in .nii.gz or .nii; missing folders are made.
        volume: (D, H, W), within [0, 1].
        affine: (4, 4), voxel indices to RAS+ mm.

    Raises:
        ValueError: if the volume is not 3D, has NaN or values outside of [0, 1], or the affine is singular.
    """
    data = np.asarray(volume, dtype=np.float64)
    if data.size and not (data.min() >= 0 and data.max() <= 1):  # also NaN
        raise ValueError(
            f"{path}: values from {data.min():g} to {data.max():g}, expected [0, 1]; clip or scale the volume."
        )
    _write(path, np.rint(data / SLOPE).astype(np.int16), affine, SLOPE)


def write_labels(path: str | os.PathLike[str], labels: ArrayLike, affine: ArrayLike) -> None:
    """Write an integer segmentation (D, H, W) with labels 0 to 255 as uint8, atomically.

    Raises:
        ValueError: if a label is not a whole number from 0 to 255, or as for :func:`write_nifti`.
    """
    data = np.asarray(labels)
    whole = data.astype(np.uint8)
    if not np.array_equal(whole, data):
        raise ValueError(f"{path}: labels must be whole numbers from 0 to 255, got {np.unique(data)[:10].tolist()}.")
    _write(path, whole, affine, 1.0)


def _write(path: str | os.PathLike[str], data: NDArray[np.generic], affine: ArrayLike, slope: float) -> None:
    path, affine = Path(path), np.asarray(affine, dtype=np.float64)
    if not path.name.endswith((".nii.gz", ".nii")):
        raise ValueError(f"{path}: expected a name that ends in .nii.gz or .nii.")
    if data.ndim != 3 or 0 in data.shape:
        raise ValueError(f"{path}: shape {data.shape}, expected a 3D volume.")
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(f"{path}: expected an invertible (4, 4) affine, got {affine.tolist()}.")
    image = nib.nifti1.Nifti1Image(data, affine, dtype=data.dtype)
    image.header.set_slope_inter(slope, 0)  # nibabel writes the integers as they are when the slope is set
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if not np.allclose(image.get_qform(), affine, atol=1e-3):
        image.set_qform(None, code=0)  # a quaternion cannot shear: a reader that prefers it would misplace the voxels
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as file:
            file.write(content)
        content = buffer.getvalue()
    atomic_write(path, content)


def is_complete_nifti(path: str | os.PathLike[str]) -> bool:
    """Return True if a NIfTI file is complete: header readable, every voxel present, gzip checksum right."""
    path = Path(path)
    try:
        opener = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "rb") as file:
            header = nib.nifti1.Nifti1Header.from_fileobj(file)
            size = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
            length = file.tell()
            while chunk := file.read(1 << 22):  # the checksum is compared at the end of the stream
                length += len(chunk)
        return size > 0 and length >= int(header["vox_offset"]) + size
    except (OSError, EOFError, zlib.error, ImageFileError, HeaderDataError, WrapStructError, ValueError):
        return False
