"""The people of a folder of brain images: one visit of each, with its images, age and sex."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brain_bundles.data.bids import FOLDERS
from brain_bundles.data.bids_index import BidsIndex, not_fetched
from brain_bundles.data.bids_scans import select_scans
from brain_bundles.data.contrast_spellings import split_contrast
from brain_bundles.data.problems import first_names, raise_problems

logger = logging.getLogger(__name__)
_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Visit:
    """One visit of one person.

    Attributes:
        name: ids of the visit, or the part of a file's name that stands before the contrast.
        group: people of one group look alike for a known reason: phantoms of one label map. By default the person.
        age: years, None if unknown.
        sex: "M" or "F", None if unknown.
        paths: contrast -> image.
    """

    name: str
    group: str
    age: float | None = None
    sex: str | None = None
    paths: dict[str, Path] = field(default_factory=dict)


def find_people(folder: str | os.PathLike[str], contrasts: Sequence[str] | None = None) -> list[Visit]:
    """Find the people of a BIDS dataset or of a folder of NIfTI files, in order, each with one visit.

    A folder with a participants.tsv or with folders sub-* is a BIDS dataset. In any other folder, the files in it and
    in the folders below are sorted by how their names spell the contrast, see
    :func:`brain_bundles.data.contrast_spellings.contrast_of`; what stands before it tells people apart.

    Args:
        folder: the folder.
        contrasts: contrasts to look for, None for all that are known; T1w images are found as well. Of several visits
            of a person the first with the most contrasts is taken. If one contrast is given, files of a plain folder
            whose names spell no contrast are taken as this one.

    Raises:
        FileNotFoundError: if the folder is missing, or it has no such image.
        ValueError: for an unknown contrast.
        DatasetError: if participants.tsv has an impossible age or sex.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give a BIDS dataset or a folder of NIfTI files.")
    if unknown := [name for name in contrasts or () if name not in FOLDERS]:
        raise ValueError(f"unknown contrasts {', '.join(unknown)}, known are {', '.join(FOLDERS)}.")
    index = BidsIndex(root)
    is_bids = (root / "participants.tsv").is_file() or bool(index.participants())
    wanted = list(dict.fromkeys([*contrasts, "T1w"] if contrasts else FOLDERS))
    fallback = contrasts[0] if contrasts and len(contrasts) == 1 else None
    people = _of_dataset(index, wanted) if is_bids else _of_files(root, wanted, fallback)
    if not people:
        raise FileNotFoundError(
            f"{root}: no image of {', '.join(contrasts) if contrasts else 'a known contrast'} in it; give a BIDS "
            "dataset, or a folder of files whose names end in their contrast, such as name_T1w.nii.gz."
        )
    return people


def _of_dataset(index: BidsIndex, contrasts: Sequence[str]) -> list[Visit]:
    scans, problems = select_scans(index, covariates=("age", "sex"), required=False, needs_table=False)
    raise_problems(index.dataset_dir, problems)
    visits: dict[str, Visit] = {}
    unfetched: list[str] = []
    for scan, row in scans:
        found = {name: path for name in contrasts if (path := index.find(scan, name)) is not None}
        paths = {name: path for name, path in found.items() if not_fetched(path) is None}
        unfetched += [str(path) for name, path in found.items() if name not in paths]
        age, sex, anatomy = row.get("age"), row.get("sex"), row.get("anatomy")
        visit = Visit(
            str(scan),
            f"anatomy {anatomy}" if anatomy else scan.participant_id,
            age if isinstance(age, float) else None,
            sex if isinstance(sex, str) else None,
            paths,
        )
        if len(paths) > len(visits[scan.participant_id].paths if scan.participant_id in visits else ()):
            visits[scan.participant_id] = visit
    index.log_choices()
    if unfetched:
        logger.warning("Left out, as they were not fetched: %s", first_names(unfetched))
    return list(visits.values())


def _of_files(root: Path, contrasts: Sequence[str], fallback: str | None) -> list[Visit]:
    people: dict[tuple[Path, str], Visit] = {}
    unknown: list[str] = []
    for path in _images(root):
        contrast, person = split_contrast(path)
        contrast = contrast or fallback
        if contrast is None:
            unknown.append(str(path))
        elif contrast in contrasts:
            name = (path.parent.relative_to(root) / person).as_posix()
            people.setdefault((path.parent, person), Visit(name, name)).paths.setdefault(contrast, path)
    if unknown:
        logger.warning(
            "%d files are left out, as their names end in no known contrast: %s.", len(unknown), first_names(unknown)
        )
    return list(people.values())


def _images(root: Path) -> Iterable[Path]:
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(_ENDINGS) and name[0] != ".")
