"""Checks of data files, by what the known components would open them with.

None of them unpickles: arrays are read without pickles, weights as plain tensors, images and tables by their formats.
So a file is judged if it is what its name says. A file that is recognised as a pickle or an archive is a finding under
any name, and a file of an unknown kind is not judged.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from typing import BinaryIO

import numpy as np

from bundle_verify.pickles import problem_with_pickle
from bundle_verify.report import Problem, not_judged

_HEAD = 128 << 10  # longer than the longest header of an array that is read
_MAGIC = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".bmp": (b"BM",),
    ".tif": (b"II*\0", b"MM\0*"),
    ".tiff": (b"II*\0", b"MM\0*"),
    ".pdf": (b"%PDF-",),
    ".npy": (b"\x93NUMPY",),
    ".npz": (b"PK\3\4",),
}
_TEXTS = frozenset({"", "bib", "cff", "conf", "csv", "json", "md", "rst", "sha256", "tsv", "txt", "yaml", "yml"})
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v")) + b"\x7f"


def problem_with_data(file: BinaryIO, name: str) -> Problem | None:
    """Problem with a data file, None if it is what its name says. It is read in pieces.

    Args:
        file: the opened file, which can seek.
        name: its name.
    """
    head = file.read(_HEAD)
    if problem := _problem_with_archive(file, head, name.lower()):
        return problem
    if head.startswith(b"\x93NUMPY") and (problem := problem_with_array(head)):
        return problem
    if problem := problem_with_pickle(file):
        return problem
    if _is_known(file, head, name.lower()):
        return None
    return not_judged("is of a kind that no known component reads, or not what its name says")


def problem_with_array(head: bytes) -> Problem | None:
    """Problem with an array of numpy that begins with ``head``."""
    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = read(file)
    except Exception as error:  # of many kinds, from a header that numpy does not read either
        return not_judged(f"is an array whose header cannot be read ({type(error).__name__})")
    return Problem("is an array of objects, which is a pickle") if dtype.hasobject else None


def _problem_with_archive(file: BinaryIO, head: bytes, name: str) -> Problem | None:
    if head.startswith((b"PK\3\4", b"PK\5\6")) or zipfile.is_zipfile(file):  # also with other bytes in front
        plain = name.endswith(".npz") and head.startswith(b"PK\3\4")
        return _problem_with_arrays(file) if plain else Problem("is a zip, which can hold code")
    try:
        tarfile.TarInfo.frombuf(head[:512], tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return None
    return Problem("is a tar, which can hold a pickle or code")


def _problem_with_arrays(file: BinaryIO) -> Problem | None:
    """Problem with an ``.npz``: it holds arrays and nothing else."""
    if directory_is_too_large(file):
        return not_judged("is a zip with too many entries")
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith(".npy"):
                    return Problem("is a zip, which can hold code")
                with archive.open(entry) as part:
                    if problem := problem_with_array(part.read(_HEAD)):
                        return problem
    except Exception as error:  # of many kinds, from a damaged zip
        return not_judged(f"is a zip that cannot be read ({type(error).__name__})")
    return None


def directory_is_too_large(file: BinaryIO, limit: int = 16 << 20) -> bool:
    """Return True if a zip's list of entries is longer than ``limit`` bytes; zipfile reads it into memory at once."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - (1 << 16) - 22, 0))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0:
        return False
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    # 0xFFFFFFFF says that a record of zip64 has the length; no bundle needs a list of that size.
    return length > limit


def _is_known(file: BinaryIO, head: bytes, name: str) -> bool:
    """Return True if a file is of the kind that its name says."""
    ending = "." + name.rpartition("/")[2].rpartition(".")[2] if "." in name.rpartition("/")[2] else ""
    if ending in _MAGIC:
        return head.startswith(_MAGIC[ending])
    if name.endswith(".nii.gz"):
        try:
            return _is_nifti(zlib.decompressobj(31).decompress(head, 352))
        except zlib.error:
            return False
    if ending == ".nii":
        return _is_nifti(head)
    if ending == ".dcm":
        return head[128:132] == b"DICM"
    return ending[1:] in _TEXTS and _is_text(file)


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _is_text(file: BinaryIO) -> bool:
    file.seek(0)
    while piece := file.read(1 << 20):
        if len(piece.translate(None, _CONTROL)) != len(piece):
            return False
    return True
