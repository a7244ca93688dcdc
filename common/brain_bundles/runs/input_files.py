"""Files of a translation that is not of a BIDS dataset: single files, folders of files, folders of patients."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brain_bundles.data.contrast_spellings import NO_SCANS, contrast_of
from brain_bundles.data.problems import first_names

logger = logging.getLogger(__name__)
ANY = "any"  # the source of which the contrast is not known, or not one of the model's
_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """One volume to make.

    Attributes:
        participant_id: the participant, or the name of the source file without its ending.
        name: what the seed is derived from: the visit, or the name of the source file.
        target: contrast to make.
        sources: (contrast, path, path of the result relative to the output) of each possible source, the best one
            first.
    """

    participant_id: str
    name: str
    target: str
    sources: list[tuple[str, Path, str]]


def file_jobs(
    inputs: Sequence[Path], source: str, targets: Sequence[str]
) -> tuple[list[Job], list[tuple[str, str]], list[str]]:
    """Find the volumes to translate in files and folders.

    A file that is given by name is used. One in a folder, or in a folder below it, is used if its name ends in the
    source contrast, see :func:`~brain_bundles.data.contrast_spellings.contrast_of`; the others are named in the log.
    With the source ``any`` every image is used, but no segmentation, mask or translation. A result has the name of its
    source with the target behind it, in the same folder below the output.

    Returns:
        the jobs, the problems as (kind, detail), and the files whose names end in nothing known.
    """
    found: dict[str, Job] = {}
    problems = []
    unknown: list[str] = []
    for path, below in _nifti_files(inputs, source, unknown):
        stem = _NIFTI.sub("", path.name)
        if stem == path.name:
            problems.append(("not NIfTI", f"{path}: expected a name that ends in .nii.gz or .nii"))
            continue
        name = (below / stem).as_posix()
        for target in targets:
            file = f"{name}_{target}.nii.gz"
            if file in found:
                other = found[file].sources[0][1]
                problems.append(("same name", f"{path}: {other} also becomes {file}; rename one of them"))
            else:
                found[file] = Job(name, name, target, [(source, path, file)])
    if unknown:
        logger.warning(
            "%d files are not translated, as their names do not end in a known contrast: %s. Give a file by its own "
            "name to translate it, or let its name end in _%s.",
            len(unknown),
            first_names(unknown),
            source,
        )
    return list(found.values()), problems, unknown


def _nifti_files(inputs: Sequence[Path], source: str, unknown: list[str]) -> Iterator[tuple[Path, Path]]:
    """Yield the files to translate, each with its folder relative to the given one; add the others to ``unknown``."""
    for path in inputs:
        if not path.is_dir():
            contrast = contrast_of(path, also=source)
            if contrast not in (source, None) and source != ANY:
                logger.warning("%s is used as %s, as asked, but by its name it is %s.", path, source, contrast)
            yield path, Path()
            continue
        for file in nifti_files(path):
            contrast = contrast_of(file, also=source)
            if contrast == source or (source == ANY and contrast not in NO_SCANS):
                yield file, file.parent.relative_to(path)
            elif contrast is None:
                unknown.append(str(file))
            else:
                logger.info("%s is not translated: by its name it is %s, not %s.", file, contrast, source)


def nifti_files(folder: Path) -> Iterator[Path]:
    """Yield the NIfTI files of a folder and of those below it, in order, without hidden ones."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if _NIFTI.search(name) and not name.startswith("."):
                yield Path(place, name)
