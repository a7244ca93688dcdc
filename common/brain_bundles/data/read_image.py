"""The one reader of image files: checks, networks, measuring and results all get an image from here.

MONAI's ``LoadImage`` does not serve: it takes the qform where pixdim and sform differ by rounding, and where the named
reader refuses a file it tries others (MONAI 1.6.1).
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from brain_bundles.data.nifti_header import HEADER_BYTES, NiftiHeader, parse_header
from brain_bundles.data.problems import ImageError
from brain_bundles.data.voxel_checks import check_voxels

_GZIP = b"\x1f\x8b"
_MAX_RATIO = 1032  # of deflate; what declares more than that cannot be whole
_MAX_SURPLUS = 2**24  # bytes after the last voxel; more is no image
_CHUNK = 2**22
_UNREADABLE = "unreadable or truncated image"


@dataclass(frozen=True)
class Image:
    """An image file in memory.

    Attributes:
        voxels: (D, H, W) float32, in the file's order of axes.
        affine: (4, 4), voxel indices to RAS+ mm.
        header: what the file's header declares.
        background: value that stood for air in the file, and is 0 in ``voxels``.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    header: NiftiHeader
    background: float = 0.0


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a scan from a NIfTI-1 or NIfTI-2 file, gzipped or not, whatever its name.

    The file is read to its end, with the checksum of gzip. A constant background that is not 0 becomes 0.

    Raises:
        ImageError: if it is missing, damaged, too large, not one 3D volume of real numbers, or without a usable affine,
            see :func:`~brain_bundles.data.nifti_header.parse_header`; for NaN, one value everywhere, numbers beyond
            float32, integers that ran over, and a background that is neither 0 nor constant.
    """
    with _naming(path):
        header, values = _read(path)
        background = check_voxels(values, header)
        if background:
            values -= np.float32(background)
        return Image(values, header.affine, header, background)


def read_values(path: str | os.PathLike[str]) -> Image:
    """Read an image whose values are right as they are: a segmentation, or a volume that a model made.

    Raises:
        ImageError: as for :func:`read_image`, of the file and its header.
    """
    with _naming(path):
        header, values = _read(path)
        return Image(values, header.affine, header)


def read_header(path: str | os.PathLike[str]) -> NiftiHeader:
    """Read the header of an image alone; its voxels may be damaged.

    Raises:
        ImageError: as for :func:`read_image`, of the header.
    """
    with _naming(path), _opened(path) as (stream, _):
        return parse_header(stream.read(HEADER_BYTES))


def to_ras(image: Image) -> Image:
    """Reorder and flip the axes of an image so that they run to the right, to the front and to the top, as they can.

    The voxels keep their values and their places; an oblique image stays oblique.
    """
    turn = nib.orientations.io_orientation(image.affine)
    voxels = nib.orientations.apply_orientation(image.voxels, turn)
    affine = image.affine @ nib.orientations.inv_ornt_aff(turn, image.voxels.shape)
    return replace(image, voxels=voxels, affine=affine)


def check_stream(path: str | os.PathLike[str]) -> NiftiHeader:
    """Read an image to its end and keep nothing: every voxel is there, and gzip's checksum is right.

    Raises:
        ImageError: as for :func:`read_image`, of the file and its header.
    """
    with _naming(path), _opened(path) as (stream, limit):
        header = parse_header(block := stream.read(HEADER_BYTES))
        end = header.offset + header.data_bytes
        _check_length(end, limit)
        length = len(block)
        while length < end and (chunk := stream.read(min(_CHUNK, end - length))):
            length += len(chunk)
        _finish(stream, end - length, header)
        return header


def _read(path: str | os.PathLike[str]) -> tuple[NiftiHeader, NDArray[np.float32]]:
    with _opened(path) as (stream, limit):
        header = parse_header(block := stream.read(HEADER_BYTES))
        _check_length(header.offset + header.data_bytes, limit)
        data = np.empty(header.data_bytes, dtype=np.uint8)
        early = block[header.offset : header.offset + len(data)]  # voxels of a NIfTI-1 begin before byte 540
        data[: len(early)] = np.frombuffer(early, dtype=np.uint8)
        skip = header.offset - len(block)
        while skip > 0 and (chunk := stream.read(min(_CHUNK, skip))):
            skip -= len(chunk)
        filled = len(early)
        while filled < len(data) and (chunk := stream.read(min(_CHUNK, len(data) - filled))):
            data[filled : filled + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
            filled += len(chunk)
        _finish(stream, len(data) - filled, header)
    stored = data.view(header.dtype).reshape(header.shape, order="F")
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = apply_read_scaling(stored, header.slope, header.inter) if header.slope is not None else stored
        return header, np.asarray(scaled, dtype=np.float32)


def _check_length(needed: int, limit: int) -> None:
    if needed > limit:
        raise ImageError(_UNREADABLE, f"its header declares {needed} bytes, the file can hold {limit} at most")


def _finish(stream: BinaryIO, missing: int, header: NiftiHeader) -> None:
    """Read what is after the voxels, so that gzip compares its checksum."""
    if missing:
        raise ImageError(_UNREADABLE, f"{missing} of {header.data_bytes} bytes of voxels are missing")
    surplus = 0
    while chunk := stream.read(_CHUNK):
        surplus += len(chunk)
        if surplus > _MAX_SURPLUS:
            raise ImageError(_UNREADABLE, f"more than {_MAX_SURPLUS} bytes follow the last voxel")


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int]]:
    """Contents of a file, unzipped if it is a gzip stream, and the largest length that they can have."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        zipped = file.read(2) == _GZIP
        file.seek(0)
        if zipped:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                yield cast(BinaryIO, stream), size * _MAX_RATIO
        else:
            yield file, size


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what reading a file raises into an ImageError with the file's name."""
    if not Path(path).is_file():
        raise ImageError("missing image", "there is no such file", path)
    try:
        yield
    except ImageError as error:
        raise ImageError(error.kind, error.detail, path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(_UNREADABLE, str(error) or type(error).__name__, path) from error
