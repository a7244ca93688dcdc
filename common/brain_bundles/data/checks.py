"""Checks of image files before a training or a translation begins."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.anatomy import examine
from brain_bundles.data.problems import ImageError, grouped, raise_problems
from brain_bundles.data.read_image import check_stream, read_header, read_image
from brain_bundles.utils.user_warning import BrainBundlesWarning

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageCheck:
    """Result of the check of one image file.

    Attributes:
        problem: why it cannot be used, as (kind, detail with its name); None if it can.
        doubts: what speaks against one brain without skull, as (kind, detail with its name); empty for such a brain.
    """

    problem: tuple[str, str] | None = None
    doubts: tuple[tuple[str, str], ...] = ()

    @property
    def skull_stripped(self) -> bool:
        """True if one brain without skull was found."""
        return self.problem is None and not self.doubts


def check_image(path: str | os.PathLike[str], *, strict: bool = False) -> ImageCheck:
    """Read a NIfTI file with the one reader, and look at what it shows; nothing is raised.

    Args:
        path: a NIfTI file.
        strict: take a doubt for a problem.
    """
    try:
        image = read_image(path)
    except ImageError as error:
        return ImageCheck(_named(path, error))
    doubts = examine(image).doubts
    if doubts and strict:
        return ImageCheck((doubts[0][0], f"{path}: {', '.join(detail for _, detail in doubts)}"))
    return ImageCheck(doubts=tuple((kind, f"{path}: {detail}") for kind, detail in doubts))


def log_doubts(checks: Iterable[ImageCheck], *, advice: str = "") -> None:
    """Log a warning with what was doubtful about images, grouped by kind; nothing without doubts.

    Args:
        checks: results of :func:`check_image`.
        advice: what else a user can do, for the end of the first sentence.
    """
    doubts = [doubt for check in checks for doubt in check.doubts]
    if doubts:
        logger.warning("Doubtful images, which are used; --strict True refuses them%s.\n%s", advice, grouped(doubts))


def check_images(paths: Iterable[str | os.PathLike[str]], *, read_voxels: bool = True) -> None:
    """Check that every file is a 3D image that a model can use; report all problems at once.

    Args:
        paths: NIfTI files.
        read_voxels: also check the values; without it a file is still read to its end.

    Raises:
        DatasetError: with the name of every file that :func:`~brain_bundles.data.read_image` refuses.

    Warns:
        BrainBundlesWarning: once per kind, with the files whose header has no orientation, or contradicts itself.
    """
    files = [Path(path) for path in paths]
    problems: list[tuple[str, str]] = []
    if not files:
        problems.append(("no images", "the list of images is empty"))
    problems += [problem for path in files if (problem := image_problem(path, read_voxels=read_voxels))]
    raise_problems(f"{len(files)} images", problems)
    warn_headers(files)


def image_problem(path: str | os.PathLike[str], *, read_voxels: bool = True) -> tuple[str, str] | None:
    """Problem of one image file, as (kind, detail with its name); None for a file that a model can use.

    Args:
        path: a NIfTI file.
        read_voxels: also check the values; without it the file is still read to its end.
    """
    read: Callable[[str | os.PathLike[str]], object] = read_image if read_voxels else check_stream
    try:
        read(path)
    except ImageError as error:
        return _named(path, error)
    return None


def image_grid(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape (D, H, W), without further axes of length 1, and affine (4, 4) to RAS+ mm of an image without problems."""
    header = read_header(path)
    return header.shape, header.affine


def warn_headers(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Warn about the images whose header has no orientation or contradicts itself. All images must be readable."""
    headers = {str(path): read_header(path) for path in paths}
    unoriented = [path for path, header in headers.items() if header.form == "pixdim"]
    if unoriented:
        warnings.warn(
            "No orientation (sform and qform code 0), so left and right are the format's default: "
            f"{_some(unoriented)}. Look at them in a viewer and set the sform.",
            BrainBundlesWarning,
            stacklevel=3,
        )
    conflicts = [f"{path}: {header.conflict}" for path, header in headers.items() if header.conflict]
    if conflicts:
        warnings.warn(
            f"Headers that contradict themselves; look at the images in a viewer: {_some(conflicts, '; ')}.",
            BrainBundlesWarning,
            stacklevel=3,
        )


def _named(path: str | os.PathLike[str], error: ImageError) -> tuple[str, str]:
    if error.kind == "missing image":
        return error.kind, str(path)
    return error.kind, f"{path}: {error.detail}"


def _some(names: list[str], separator: str = ", ") -> str:
    return separator.join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
