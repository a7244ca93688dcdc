"""What is to be translated from one contrast to another: the subjects of a BIDS dataset, a folder or single files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from brain_bundles.data.bids import FOLDERS, find_image, image_path, missing_image, select_participants
from brain_bundles.data.checks import image_problem, warn_unoriented
from brain_bundles.data.problems import DatasetError, raise_problems
from brain_bundles.data.run_output import hash_file
from brain_bundles.data.seeding import derive_seed

logger = logging.getLogger(__name__)
_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
Paths = str | os.PathLike[str]


@dataclass(frozen=True)
class TranslationInputs:
    """The volumes of a translation.

    Attributes:
        rows: one per usable volume, for :class:`RunOutput` and as items of a data set: ``participant_id`` (of BIDS, or
            the name of the file without its ending), ``image`` (path), ``source_sha256``, ``file`` (where the
            translation goes, relative to the output), ``source`` and ``target`` (contrasts), ``seed`` (of the volume).
        problems: (kind, detail with the file's name) of each volume that is left out.
        bids: whether the rows are subjects of a BIDS dataset.
        where: what was asked for.
    """

    rows: list[dict[str, Any]]
    problems: list[tuple[str, str]]
    bids: bool
    where: str

    def raise_skipped(self) -> None:
        """End a run with an error that names what was left out, once the others are done; nothing if there was none.

        Every process calls it; they wait for one another, so that none ends while another is still writing.

        Raises:
            DatasetError: with every volume that was left out.
        """
        if dist.is_available() and dist.is_initialized():
            dist.barrier()
        if self.problems:
            done = f"{self.where}: {len(self.rows)} volumes are translated, the others were left out"
            raise DatasetError(done, self.problems)


def translation_inputs(
    dataset_dir: Paths | None = None,
    input: Paths | Sequence[Paths] | None = None,  # noqa: A002  (the option's name on the command line)
    *,
    source: str,
    target: str,
    split: str | None = None,
    seed: int = 0,
) -> TranslationInputs:
    """Find and check the volumes of a translation. A bad one is logged and left out, see :class:`TranslationInputs`.

    Args:
        dataset_dir: BIDS dataset; without a participants.tsv every folder sub-* is a subject.
        input: a NIfTI file, a folder of them or several of both. Of a folder those are left out whose name ends in
            another contrast than ``source``, such as what an earlier run put there.
        source: contrast to translate from.
        target: contrast to translate to. In a BIDS dataset both must be known to :func:`image_path`.
        split: "train", "val", "test", or None for everyone; of a BIDS dataset.
        seed: of the run; a volume's own seed depends on it and on the participant_id, not on the other volumes.

    Raises:
        FileNotFoundError: if dataset_dir does not exist, or has neither a participants.tsv nor subjects.
        ValueError: unless exactly one of dataset_dir and input is given; if source and target are equal or no names of
            contrasts; for an unknown split.
        DatasetError: if no volume can be used, with the reason for each, or participants.tsv cannot be read.
    """
    if (dataset_dir is None) == (input is None):
        raise ValueError(
            f"dataset_dir is {dataset_dir} and input is {input}; give one: dataset_dir for a BIDS dataset, input for a "
            "NIfTI file or a folder of them."
        )
    if source == target:
        raise ValueError(f"source and target are both {source!r}; a translation needs two contrasts.")
    for name in (source, target):
        if not re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", name):
            raise ValueError(f"contrast {name!r}: expected a name such as T2w, of letters and digits.")
    if dataset_dir is not None:
        where = os.fspath(dataset_dir)
        found, problems = _subjects(where, source, target, split)
    else:
        if split is not None:
            raise ValueError(
                f"split is {split!r}, but only a BIDS dataset has splits; give dataset_dir or leave it out."
            )
        assert input is not None
        inputs = [Path(input)] if isinstance(input, (str, os.PathLike)) else [Path(path) for path in input]
        where = ", ".join(str(path) for path in inputs[:3]) + (" ..." if len(inputs) > 3 else "")
        found, problems = _files(inputs, source, target)

    rows = []
    for name, path, file in found:
        if problem := image_problem(path):
            problems.append(problem)
            continue
        # No name here may begin with image_: MONAI's Spacingd takes such entries for metadata of the image.
        row: dict[str, Any] = {"participant_id": name, "image": str(path), "source_sha256": hash_file(path)}
        rows.append({**row, "file": file, "source": source, "target": target, "seed": derive_seed(seed, name)})
    if not rows:
        raise_problems(where, problems or [("no images", "there is nothing to translate; expected .nii.gz or .nii")])
    for kind, detail in problems:
        logger.warning("Left out, %s: %s", kind, detail)
    warn_unoriented([row["image"] for row in rows])
    return TranslationInputs(rows, problems, dataset_dir is not None, where)


# Participant, path of the source, and file of the translation.
_Found = tuple[list[tuple[str, Path, str]], list[tuple[str, str]]]


def _subjects(dataset_dir: str, source: str, target: str, split: str | None) -> _Found:
    folder = Path(dataset_dir)
    problems: list[tuple[str, str]] = []
    people = sorted(path.name for path in folder.glob("sub-*") if path.is_dir())
    if (folder / "participants.tsv").is_file() or split is not None or not people:
        rows, problems = select_participants(folder, split)
        people = [str(row["participant_id"]) for row in rows]
    found = []
    for person in people:
        file = image_path("", person, target).as_posix()
        path = find_image(folder, person, source)
        if path.is_file():
            found.append((person, path, file))
        else:
            problems.append(missing_image(folder, person, path))
    return found, problems


def _files(inputs: Sequence[Path], source: str, target: str) -> _Found:
    found: dict[str, tuple[str, Path, str]] = {}
    problems = []
    for path in _nifti_files(inputs, source, target):
        stem = _NIFTI.sub("", path.name)
        file = f"{stem}_{target}.nii.gz"
        if stem == path.name:
            problems.append(("not NIfTI", f"{path}: expected a name that ends in .nii.gz or .nii"))
        elif file in found:
            problems.append(("same name", f"{path}: {found[file][1]} becomes {file}, too; rename one of them"))
        else:
            found[file] = (stem, path, file)
    return list(found.values()), problems


def _nifti_files(inputs: Sequence[Path], source: str, target: str) -> Iterator[Path]:
    """The files that are named, and those of the folders that may be of the source contrast."""
    endings = {*FOLDERS, source, target, f"{target}_std"}
    for path in inputs:
        if not path.is_dir():
            yield path
            continue
        for file in sorted(path.iterdir()):
            if not _NIFTI.search(file.name) or file.name.startswith("."):
                continue
            name = _NIFTI.sub("", file.name)
            contrast = max((ending for ending in endings if name.endswith(f"_{ending}")), key=len, default=source)
            if contrast == source:
                yield file
            else:
                logger.info("%s is not translated: by its name it is %s, not %s.", file, contrast, source)
