"""Index of the images in a BIDS dataset: visits, files of each contrast, and the choice among several.

A folder is listed when its participant is first asked for, so a job for one participant does not list the others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from brain_bundles.data.bids import FOLDERS, image_path
from brain_bundles.data.bids_names import BidsName, check_entities, parse_name, same_label
from brain_bundles.utils.natural_order import natural_order

logger = logging.getLogger(__name__)
_POINTER_BYTES = 1 << 12
_POINTERS = (b"/annex/objects/", b"version https://git-lfs.github.com/spec/")


@dataclass(frozen=True)
class Scan:
    """One visit of a participant.

    Attributes:
        participant_id: such as sub-01.
        session_id: such as ses-02; None for images without a session.
    """

    participant_id: str
    session_id: str | None = None

    def __str__(self) -> str:
        """The ids as they begin a file's name: sub-01, or sub-01_ses-02."""
        return self.participant_id if self.session_id is None else f"{self.participant_id}_{self.session_id}"

    def folder(self) -> Path:
        """The folder in a dataset: sub-01, or sub-01/ses-02."""
        return Path(self.participant_id, self.session_id or "")


def scan_of(name: str) -> Scan:
    """Read the ids of a visit from sub-01 or sub-01_ses-02."""
    person, _, session = name.partition("_ses-")
    return Scan(person, f"ses-{session}" if session else None)


def item_scan(item: Mapping[str, object]) -> Scan:
    """The visit of an item of a datalist, by its ``participant_id`` and ``session_id``."""
    return Scan(str(item["participant_id"]), str(item["session_id"]) if item.get("session_id") else None)


@dataclass(frozen=True)
class ImageFile:
    """A NIfTI file of a dataset with its name in parts."""

    path: Path
    name: BidsName


class BidsIndex:
    """The images of a BIDS dataset or derivative, by visit and contrast.

    Where several files of a visit show a contrast, one is chosen: without a label that contradicts ``entities``; then
    with the most labels of ``entities``; then with the fewest entities, as the plainest name is usually the main image;
    then the first by name; then .nii.gz before .nii. Choices among several names are logged.

    Args:
        dataset_dir: the dataset.
        entities: entity -> label, such as {"acq": "3D", "run": 1}, or None for files without the entity. A file with
            another label is never chosen; one without the entity is, if no other file has it.
    """

    def __init__(self, dataset_dir: str | os.PathLike[str], entities: Mapping[str, object] | None = None) -> None:
        self.dataset_dir = Path(dataset_dir)
        self.entities = check_entities(entities)
        self._files: dict[str, dict[Scan, list[ImageFile]]] = {}
        self._choices: dict[tuple[Scan, str], list[str]] = {}

    def participants(self) -> list[str]:
        """Names of the folders of participants, in order."""
        if not self.dataset_dir.is_dir():
            return []
        with os.scandir(self.dataset_dir) as entries:
            return sorted(entry.name for entry in entries if entry.name.startswith("sub-") and entry.is_dir())

    def scans(self, participant_id: str) -> list[Scan]:
        """Visits of a participant, in order; one without images if there are none."""
        return list(self._of(participant_id)) or [Scan(participant_id)]

    def files(self, scan: Scan, contrast: str) -> list[ImageFile]:
        """All files of a visit that show a contrast, under any entities, also those that were not fetched."""
        there = self._of(scan.participant_id).get(scan, [])
        return [file for file in there if file.name.shows(contrast)]

    def find(self, scan: Scan, contrast: str) -> Path | None:
        """Path of the image of a contrast, see the choice above; None if there is none that may be chosen."""
        fitting = [file for file in self.files(scan, contrast) if self._fits(file.name)]
        if not fitting:
            return None
        fitting.sort(key=self._rank)
        names = list(dict.fromkeys(file.path.name.removesuffix(".gz").removesuffix(".nii") for file in fitting))
        if len(names) > 1:
            self._choices[scan, contrast] = names
        return fitting[0].path

    def missing(self, scan: Scan, contrast: str) -> tuple[str, str]:
        """Problem of a contrast that :meth:`find` does not find, as (kind, detail)."""
        plain = image_path(self.dataset_dir, scan.participant_id, contrast, scan.session_id)
        others = [file.path.name for file in self.files(scan, contrast)]
        hint = f" (entities {self.entities} leave out {', '.join(others)})" if others else ""
        return "missing image", f"{plain}{hint}"

    def log_choices(self) -> None:
        """Log the choices among several files since the last call, with the first few names."""
        if not self._choices:
            return
        shown = [
            f"{names[0]} (not {', '.join(n.removeprefix(f'{scan}_') for n in names[1:])})"
            for (scan, _), names in list(self._choices.items())[:5]
        ]
        more = f" and {len(self._choices) - 5} more" if len(self._choices) > 5 else ""
        logger.info(
            "%s: several files fit, chosen are: %s%s. --entities chooses others.",
            self.dataset_dir,
            "; ".join(shown),
            more,
        )
        self._choices.clear()

    def _fits(self, name: BidsName) -> bool:
        mine = name.entities
        return all(
            key not in mine or (label is not None and same_label(key, mine[key], label))
            for key, label in self.entities.items()
        )

    def _rank(self, file: ImageFile) -> tuple[int, int, list[tuple[int, str]], str]:
        asked = sum(key in file.name.entities for key in self.entities)
        stem = str(BidsName(file.name.entities, file.name.suffix, ""))
        return (
            -asked,
            len(file.name.entities),
            natural_order(stem),
            "" if file.name.extension == ".nii.gz" else file.name.extension,
        )

    def _of(self, participant_id: str) -> dict[Scan, list[ImageFile]]:
        if participant_id not in self._files:
            folder = self.dataset_dir / participant_id
            found = {Scan(participant_id): list(_images(folder, Scan(participant_id)))}
            for name in sorted(entry.name for entry in _entries(folder) if entry.name.startswith("ses-")):
                scan = Scan(participant_id, name)
                found[scan] = list(_images(folder / name, scan))
            self._files[participant_id] = {scan: files for scan, files in found.items() if files}
        return self._files[participant_id]


def not_fetched(path: str | os.PathLike[str]) -> str | None:
    """Advice for a file whose content was not fetched by git-annex (DataLad) or Git LFS; None for any other file."""
    path = Path(path)
    pointer = path.is_symlink() and not path.exists()
    if not pointer and path.is_file() and path.stat().st_size < _POINTER_BYTES:
        pointer = any(mark in path.read_bytes()[:200] for mark in _POINTERS)
    return f"{path}: only a link to its content is there; fetch it, as with: datalad get {path}" if pointer else None


def _images(folder: Path, scan: Scan) -> Iterator[ImageFile]:
    """Yield the NIfTI files in the folders of images of one visit, whose names begin with its ids."""
    for kind in dict.fromkeys(FOLDERS.values()):
        for entry in sorted(_entries(folder / kind), key=lambda entry: entry.name):
            if not entry.name.lower().endswith((".nii", ".nii.gz")) or entry.name.startswith("."):
                continue
            name = parse_name(entry.name)
            if name is None or Scan(f"sub-{name.entities.get('sub')}", _session(name)) != scan:
                logger.info("%s is not used: its name does not begin with %s_, or is not of BIDS.", entry.path, scan)
                continue
            yield ImageFile(Path(entry.path), name)


def _session(name: BidsName) -> str | None:
    return f"ses-{name.entities['ses']}" if "ses" in name.entities else None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
