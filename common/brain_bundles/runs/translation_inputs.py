"""Inputs of a translation: the subjects of a BIDS dataset, a folder or single files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from brain_bundles.data.bids import FOLDERS, find_image, image_path, missing_image, select_participants
from brain_bundles.data.checks import ImageCheck, check_image, log_doubts, warn_headers
from brain_bundles.data.problems import DatasetError, raise_problems
from brain_bundles.runs.run_output import MAX_IMAGE_NAME
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)
_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
Paths = str | os.PathLike[str]
MISSING = "missing"
# Ending of a file's name -> its content: the contrasts themselves, the names of BraTS, and files that are no images.
_ENDINGS = {name: name for name in FOLDERS} | {
    "t1": "T1w",
    "t1n": "T1w",
    "t1ce": "ce-gadolinium_T1w",
    "t1c": "ce-gadolinium_T1w",
    "t2": "T2w",
    "t2w": "T2w",
    "t2f": "FLAIR",
    "flair": "FLAIR",
    "seg": "a segmentation",
    "dseg": "a segmentation",
    "probseg": "a segmentation",
    "mask": "a mask",
}


@dataclass(frozen=True)
class TranslationInputs:
    """The sources of a translation, each with its targets.

    Attributes:
        items: one per source volume, for :class:`RunOutput` and for a data set. Each has ``participant_id`` (of BIDS,
            or the name of the file without its ending), ``image`` (path), ``source_sha256``, ``source`` (contrast) and
            ``skull_stripped`` (what its check found). The lists ``targets`` (contrasts), ``files`` (paths of the
            translations, relative to the output) and ``seeds`` have one entry per volume to make.
        problems: (kind, detail with the file's name) of each volume that is left out.
        bids: True if the items are of a BIDS dataset.
        where: the dataset or the files, for messages.
    """

    items: list[dict[str, Any]]
    problems: list[tuple[str, str]]
    bids: bool
    where: str

    def raise_skipped(self) -> None:
        """Raise an error that names the volumes that were left out, after the others are done.

        Every process calls it. The processes wait for one another, so that none ends while another is still writing.

        Raises:
            DatasetError: if any volume was left out, with all of them.
        """
        if dist.is_available() and dist.is_initialized():
            dist.barrier()
        if self.problems:
            done = f"{self.where}: these volumes were left out, the others are translated"
            raise DatasetError(done, self.problems)


def translation_inputs(
    dataset_dir: Paths | None = None,
    input: Paths | Sequence[Paths] | None = None,  # noqa: A002  (the option's name on the command line)
    *,
    source: str | None,
    target: str | Sequence[str],
    contrasts: Sequence[str] | None = None,
    source_order: Mapping[str, Sequence[str]] | None = None,
    split: str | None = None,
    seed: int = 0,
    strict: bool = False,
) -> TranslationInputs:
    """Find and check the volumes of a translation. A bad one is logged and left out, see :class:`TranslationInputs`.

    Args:
        dataset_dir: BIDS dataset; without a participants.tsv every folder sub-* is a subject.
        input: a NIfTI file, a folder of them or several of both. Files of a folder are left out if their name ends in
            another contrast than ``source`` (of BIDS or of BraTS), such as translations of an earlier run, or in the
            name of a segmentation. A file that is given by name is used, with a warning.
        source: contrast to translate from. None, in a BIDS dataset, chooses for each target the best usable source that
            the subject has. So does the target ``"missing"``, for any ``source``.
        target: contrast to translate to, or several. In a BIDS dataset all must be known to :func:`image_path`, and
            ``"missing"`` makes for each subject the ``contrasts`` that it lacks.
        contrasts: contrasts that the model knows, None for any; needed to choose a source or find missing contrasts.
        source_order: target -> its sources, the best one first; the other ``contrasts`` follow in their order.
        split: "train", "val", "test", or None for everyone; of a BIDS dataset.
        seed: seed of the run. A volume's own seed depends on it, on the participant_id and on the target, not on the
            other volumes.
        strict: leave out volumes that do not look like one brain without skull; otherwise the log names them.

    Raises:
        FileNotFoundError: if dataset_dir does not exist, or has neither a participants.tsv nor subjects.
        ValueError: unless exactly one of dataset_dir and input is given; if the source is a target; for a malformed
            contrast, or one that is not in ``contrasts``; for an unknown split.
        DatasetError: if no volume can be used, with the reason for each, or participants.tsv cannot be read.
    """
    if (dataset_dir is None) == (input is None):
        raise ValueError(
            f"dataset_dir is {dataset_dir} and input is {input}; give one: dataset_dir for a BIDS dataset, input for a "
            "NIfTI file or a folder of them."
        )
    targets = [target] if isinstance(target, str) else list(target)
    if targets == [MISSING]:
        source = None  # the best one that each subject has
    _check_contrasts(source, targets, contrasts, in_dataset=dataset_dir is not None)
    order_names = dict.fromkeys(name for key, names in (source_order or {}).items() for name in (key, *names))
    if source is None and (unknown := [name for name in order_names if name not in (contrasts or [])]):
        knows = ", ".join(contrasts or [])
        logger.warning("source_order names %s, which is ignored: this model knows %s.", ", ".join(unknown), knows)
    if dataset_dir is not None:
        where = os.fspath(dataset_dir)
        known = list(contrasts or [])
        order = {
            name: list(dict.fromkeys([*(source_order or {}).get(name, []), *known])) for name in (*targets, *known)
        }
        found, problems = _subjects(where, source, targets, known, order, split)
    else:
        if split is not None:
            raise ValueError(
                f"split is {split!r}, but only a BIDS dataset has splits; give dataset_dir or leave it out."
            )
        assert input is not None
        assert source is not None
        inputs = [Path(input)] if isinstance(input, (str, os.PathLike)) else [Path(path) for path in input]
        where = ", ".join(str(path) for path in inputs[:3]) + (" ..." if len(inputs) > 3 else "")
        found, problems = _files(inputs, source, targets)

    checked: dict[Path, ImageCheck] = {}
    items: dict[Path, dict[str, Any]] = {}
    for job in found:
        file = Path(job.file).name
        if len(os.fsencode(file)) > MAX_IMAGE_NAME:
            what = f"{job.sources[0][1]}: its translation {file} has a name of more than {MAX_IMAGE_NAME} bytes"
            problems.append(("name too long", f"{what}; shorten the name of the source"))
            continue
        for name, path in job.sources:
            if path not in checked:
                checked[path] = check_image(path, strict=strict)
            if checked[path].problem is None:
                # No name here may begin with image_: MONAI's Spacingd takes such entries for metadata of the image.
                new = {"participant_id": job.person, "image": str(path), "files": [], "source": name}
                found_brain = {"skull_stripped": checked[path].skull_stripped}
                item = items.setdefault(path, {**new, **found_brain, "targets": [], "seeds": []})
                item["files"].append(job.file)
                item["targets"].append(job.target)
                item["seeds"].append(derive_seed(seed, job.person, job.target))
                break
    problems += [check.problem for check in checked.values() if check.problem is not None]
    if not items:
        raise_problems(where, problems or [("no images", "there is nothing to translate; expected .nii.gz or .nii")])
    for kind, detail in problems:
        logger.warning("Left out, %s: %s", kind, detail)
    log_doubts(checked[path] for path in items)
    warn_headers([item["image"] for item in items.values()])
    for path, item in items.items():
        item["source_sha256"] = hash_file(path)
    return TranslationInputs(list(items.values()), problems, dataset_dir is not None, where)


@dataclass(frozen=True)
class _Job:
    """One volume to make: participant, target contrast, file, and possible sources, the best one first."""

    person: str
    target: str
    file: str
    sources: list[tuple[str, Path]]


_Found = tuple[list[_Job], list[tuple[str, str]]]


def _check_contrasts(
    source: str | None, targets: Sequence[str], contrasts: Sequence[str] | None, *, in_dataset: bool
) -> None:
    known = None if contrasts is None else set(contrasts)
    if not targets or len(set(targets)) != len(targets):
        raise ValueError(f"target is {list(targets)}, expected one contrast or several, each once.")
    if source in targets:
        raise ValueError(f"source and target are both {source!r}; a translation needs two contrasts.")
    if (source is None or MISSING in targets) and (known is None or not in_dataset):
        what = f"target {MISSING!r}" if MISSING in targets else "source None"
        raise ValueError(f"{what} is for a BIDS dataset (dataset_dir) and a model that knows its contrasts.")
    if MISSING in targets and len(targets) > 1:
        raise ValueError(f"target is {list(targets)}; {MISSING!r} cannot be combined with other targets.")
    for name in (*([source] if source is not None else []), *(name for name in targets if name != MISSING)):
        if not re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", name):
            raise ValueError(f"contrast {name!r}: expected a name such as T2w, of letters and digits.")
        if known is not None and name not in known:
            raise ValueError(f"unknown contrast {name!r}; this model knows {', '.join(contrasts or [])}.")


def _subjects(
    dataset_dir: str,
    source: str | None,
    targets: Sequence[str],
    contrasts: Sequence[str],
    order: Mapping[str, Sequence[str]],
    split: str | None,
) -> _Found:
    folder = Path(dataset_dir)
    problems: list[tuple[str, str]] = []
    people = sorted(path.name for path in folder.glob("sub-*") if path.is_dir())
    if (folder / "participants.tsv").is_file() or split is not None or not people:
        rows, problems = select_participants(folder, split)
        people = [str(row["participant_id"]) for row in rows]
    found = []
    complete = 0
    for person in people:
        paths = {name: find_image(folder, person, name) for name in (contrasts if source is None else [source])}
        there = {name: path for name, path in paths.items() if path.is_file()}
        if not there:
            none = ("no source", f"{person} has none of {', '.join(contrasts)}")
            problems.append(none if source is None else missing_image(folder, person, paths[source]))
            continue
        wanted = list(targets)
        if targets == [MISSING]:
            wanted = [name for name in contrasts if not find_image(folder, person, name).is_file()]
            complete += not wanted
        for target in wanted:
            chosen = [(name, there[name]) for name in ([source] if source else order[target]) if name in there]
            chosen = [(name, path) for name, path in chosen if name != target]
            if chosen:
                found.append(_Job(person, target, image_path("", person, target).as_posix(), chosen))
            else:
                problems.append(("no source", f"{person}: none of its contrasts makes {target}"))
    if people and complete == len(people):
        problems.append(("nothing is missing", f"all subjects have {', '.join(contrasts)}"))
    return found, problems


def _files(inputs: Sequence[Path], source: str, targets: Sequence[str]) -> _Found:
    found: dict[str, _Job] = {}
    problems = []
    for path in _nifti_files(inputs, source, targets):
        stem = _NIFTI.sub("", path.name)
        if stem == path.name:
            problems.append(("not NIfTI", f"{path}: expected a name that ends in .nii.gz or .nii"))
            continue
        for target in targets:
            file = f"{stem}_{target}.nii.gz"
            if file in found:
                other = found[file].sources[0][1]
                problems.append(("same name", f"{path}: {other} also becomes {file}; rename one of them"))
            else:
                found[file] = _Job(stem, target, file, [(source, path)])
    return list(found.values()), problems


def _nifti_files(inputs: Sequence[Path], source: str, targets: Sequence[str]) -> Iterator[Path]:
    """Yield the files that are given by name, and the files in folders that may be of the source contrast."""
    made = {name: name for target in targets for name in (target, f"{target}_std")}
    endings = {**_ENDINGS, **made, source: source}
    for path in inputs:
        named = not path.is_dir()
        for file in [path] if named else sorted(path.iterdir()):
            if not named and (not _NIFTI.search(file.name) or file.name.startswith(".")):
                continue
            name = _NIFTI.sub("", file.name)
            ending = max((end for end in endings if re.search(f"[-_]{re.escape(end)}$", name)), key=len, default=source)
            contrast = endings[ending]
            if contrast == source:
                yield file
            elif named:
                logger.warning("%s is used as %s, as asked, but by its name it is %s.", file, source, contrast)
                yield file
            else:
                logger.info("%s is not translated: by its name it is %s, not %s.", file, contrast, source)
