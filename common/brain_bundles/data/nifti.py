"""NIfTI files of volumes in [0, 1] and of labels: same data, same bytes, and half-written files are found."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain_bundles.data.nifti_forms import form_affines, unit_mm
from brain_bundles.data.nifti_header import NiftiHeader
from brain_bundles.data.problems import ImageError
from brain_bundles.data.read_image import check_stream
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.version import __version__

# A power of two, so that 0 and 1 are exact after scaling; int16 keeps 14 bits of [0, 1].
SLOPE = 2.0**-14
_DESCRIP_BYTES = 79  # of 80; the last one stays 0


def write_nifti(
    path: str | os.PathLike[str],
    volume: ArrayLike,
    affine: ArrayLike,
    *,
    like: NiftiHeader | None = None,
    description: str = "",
) -> None:
    """Write a volume in [0, 1], atomically.

    Without ``like`` it is int16 with ``scl_slope`` 2^-14 (error at most 3.1e-5), in mm, with code 1 in both forms. With
    ``like`` the data type, the unit, the version of NIfTI and both forms with their codes are those of that header, and
    ``affine`` must be its affine. Integers of one byte take ``scl_slope`` 1 / maximum (error at most 0.4 %).

    Args:
        path: ends in .nii.gz or .nii; missing folders are made.
        volume: (D, H, W), within [0, 1].
        affine: (4, 4), voxel indices to RAS+ mm.
        like: header of the image that the volume was made from.
        description: what it is, for ``descrip``; cut to the 79 bytes that fit.

    Raises:
        ValueError: if the volume is not 3D, has NaN or values outside of [0, 1], or the affine is singular or not that
            of ``like``.
    """
    data = np.asarray(volume, dtype=np.float64)
    if data.size and not (data.min() >= 0 and data.max() <= 1):  # also NaN
        raise ValueError(
            f"{path}: values from {data.min():g} to {data.max():g}, expected [0, 1]; clip or scale the volume."
        )
    dtype = np.dtype(np.int16) if like is None else like.dtype.newbyteorder("=")
    slope = 1.0
    if dtype.kind in "iu":
        slope = SLOPE if dtype.itemsize > 1 else 1 / np.iinfo(dtype).max
        data = np.rint(data / slope)
    _write(path, data.astype(dtype), affine, slope, like, description, 1.0)


def write_labels(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    affine: ArrayLike,
    *,
    like: NiftiHeader | None = None,
    description: str = "",
) -> None:
    """Write an integer segmentation (D, H, W) with labels 0 to 255 as uint8, atomically.

    ``like`` is the header of the image that was segmented: the file has its forms, unit and version, as with
    :func:`write_nifti`.

    Raises:
        ValueError: if a label is not a whole number from 0 to 255, or as for :func:`write_nifti`.
    """
    data = np.asarray(labels)
    whole = data.astype(np.uint8)
    if not np.array_equal(whole, data):
        raise ValueError(f"{path}: labels must be whole numbers from 0 to 255, got {np.unique(data)[:10].tolist()}.")
    _write(path, whole, affine, 1.0, like, description, float(whole.max(initial=0)))


def _write(
    path: str | os.PathLike[str],
    data: NDArray[np.generic],
    affine: ArrayLike,
    slope: float,
    like: NiftiHeader | None,
    description: str,
    brightest: float,
) -> None:
    path, affine = Path(path), np.asarray(affine, dtype=np.float64)
    if not path.name.endswith((".nii.gz", ".nii")):
        raise ValueError(f"{path}: expected a name that ends in .nii.gz or .nii.")
    if data.ndim != 3 or 0 in data.shape:
        raise ValueError(f"{path}: shape {data.shape}, expected a 3D volume.")
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(f"{path}: expected an invertible (4, 4) affine, got {affine.tolist()}.")
    if like is not None and not (data.shape == like.shape and np.allclose(affine, like.affine, rtol=0, atol=1e-3)):
        raise ValueError(f"{path}: shape {data.shape} and affine {affine.tolist()} are not those of its source.")
    newer = like is not None and isinstance(like.source, nib.nifti2.Nifti2Header)
    kind = nib.nifti2.Nifti2Image if newer else nib.nifti1.Nifti1Image
    image = kind(data, None, dtype=data.dtype)
    image.header.set_slope_inter(slope, 0)  # nibabel writes the integers as they are when the slope is set
    image.header["descrip"] = f"brain-bundles {__version__} {description}".strip().encode()[:_DESCRIP_BYTES]
    image.header["cal_max"] = brightest
    if like is None:
        _place(image.header, affine)
    else:
        _place_like(image.header, like)
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as file:
            file.write(content)
        content = buffer.getvalue()
    atomic_write(path, content)


def _place(header: nib.nifti1.Nifti1Header, affine: NDArray[np.float64]) -> None:
    """Set both forms in mm with code 1."""
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    if not np.allclose(header.get_qform(), affine, atol=1e-3):
        header.set_qform(None, code=0)  # a quaternion cannot shear: a reader that prefers it would misplace the voxels


def _place_like(header: nib.nifti1.Nifti1Header, like: NiftiHeader) -> None:
    """Take over both forms as the source has them; one that cannot be used gets the affine that was used."""
    raw = like.source
    affine = like.affine.copy()
    affine[:3] /= unit_mm(raw)
    header["xyzt_units"] = int(raw["xyzt_units"]) & 7
    header.set_qform(affine, code=0)  # voxel sizes that are right, whatever the source's pixdim says
    forms = form_affines(raw)
    for name, form in forms.items():
        code = int(raw[f"{name}_code"])
        if name == "sform":
            header.set_sform(affine if form is None else raw.get_sform(), code=code)
        elif form is None:
            header.set_qform(affine, code=code)
        else:
            for field in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "qform_code"):
                header[field] = raw[field]
            header["pixdim"][:4] = raw["pixdim"][:4]
            header["pixdim"][0] = -1 if raw["pixdim"][0] < 0 else 1


def is_complete_nifti(path: str | os.PathLike[str]) -> bool:
    """Return True if a NIfTI file is complete: header readable, every voxel present, gzip checksum right."""
    try:
        check_stream(path)
    except ImageError:
        return False
    return True
