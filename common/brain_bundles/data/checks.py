"""Checks of image files before a training or a translation begins."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from brain_bundles.data.problems import raise_problems
from brain_bundles.utils.user_warning import BrainBundlesWarning

# Default limits of the brain's range, see ScaleForegroundPercentiles.
BRAIN_PERCENTILES = (0.005, 0.995)


def check_images(paths: Iterable[str | os.PathLike[str]], *, read_voxels: bool = True) -> None:
    """Check that every file is a 3D image that a model can use; report all problems at once.

    Args:
        paths: NIfTI files, or another format that nibabel reads.
        read_voxels: also look for truncation, NaN and empty volumes, which reads every file whole.

    Raises:
        DatasetError: with the name of every file that is missing, unreadable, truncated, not 3D, in colour or without a
            usable affine, or that has NaN, one constant value, a brain of one value, or no value above 0.

    Warns:
        BrainBundlesWarning: once, with the files whose header has no orientation; the format's default is used.
    """
    files = [Path(path) for path in paths]
    problems: list[tuple[str, str]] = []
    if not files:
        problems.append(("no images", "the list of images is empty"))
    problems += [problem for path in files if (problem := image_problem(path, read_voxels=read_voxels))]
    raise_problems(f"{len(files)} images", problems)
    warn_unoriented(files)


def image_problem(path: str | os.PathLike[str], *, read_voxels: bool = True) -> tuple[str, str] | None:
    """Problem of one image file, as (kind, detail with its name); None for a file that a model can use.

    Args:
        path: a NIfTI file, or another format that nibabel reads.
        read_voxels: also look for truncation, NaN and empty volumes, which reads the file whole.
    """
    path = Path(path)
    if not path.is_file():
        return "missing image", str(path)
    try:
        image = nib.loadsave.load(path)
        if not isinstance(image, SpatialImage):
            raise ImageFileError(f"a {type(image).__name__}, not an image in space")
        problem = _header_problem(image) or (_voxel_problem(image) if read_voxels else None)
    except (OSError, EOFError, zlib.error, ValueError, ImageFileError, HeaderDataError, WrapStructError) as error:
        return "unreadable or truncated image", f"{path}: {error}"
    return (problem[0], f"{path}: {problem[1]}") if problem else None


def image_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape (D, H, W), without further axes of length 1, and affine (4, 4) to RAS+ mm of an image without problems."""
    image = nib.loadsave.load(path)
    assert isinstance(image, SpatialImage)
    return tuple(image.shape[:3]), np.asarray(image.affine, dtype=np.float64)


def warn_unoriented(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Warn once about the images whose header has no orientation. All images must be readable."""
    unoriented = []
    for path in paths:
        image = nib.loadsave.load(path)
        if isinstance(image, nib.nifti1.Nifti1Pair) and not (image.header["sform_code"] or image.header["qform_code"]):
            unoriented.append(str(path))
    if unoriented:
        shown = ", ".join(unoriented[:10]) + (f" and {len(unoriented) - 10} more" if len(unoriented) > 10 else "")
        warnings.warn(
            f"No orientation (sform and qform code 0), so left and right are the format's default: {shown}. "
            "Look at them in a viewer and set the sform.",
            BrainBundlesWarning,
            stacklevel=3,
        )


def _header_problem(image: SpatialImage) -> tuple[str, str] | None:
    shape, affine = image.shape, image.affine
    if image.get_data_dtype().fields is not None:
        return "colour image", f"voxels are {image.get_data_dtype()}, expected one number; convert to grey values"
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        kind = "4D image" if len(shape) > 3 else "2D image"
        return kind, f"shape {image.shape}, expected three dimensions; give one volume per file"
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        return "unusable affine", f"{None if affine is None else affine.tolist()} cannot be inverted; repair the header"
    return None


def _voxel_problem(image: SpatialImage) -> tuple[str, str] | None:
    data = np.asarray(image.dataobj)
    bad = int(np.size(data) - np.count_nonzero(np.isfinite(data)))
    if bad:
        return "NaN or infinite voxels", f"{bad} of {data.size} voxels; repair or leave out the file"
    low, high = float(data.min()), float(data.max())
    if low == high:
        return ("empty volume", "every voxel is 0") if low == 0 else ("constant volume", f"every voxel is {low:g}")
    if high <= 0:
        return "empty volume", f"no voxel is above 0, the largest is {high:g}"
    inside = data[data != 0]
    ranks = [round((inside.size - 1) * share) for share in BRAIN_PERCENTILES]
    low, high = np.partition(inside, ranks)[ranks]
    if low == high:
        return "constant volume", f"nearly every voxel that is not 0 is {high:g}; is this a mask?"
    return None
