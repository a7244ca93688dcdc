"""Inputs of a translation: the subjects of a BIDS dataset, a folder or single files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from brain_bundles.data.bids_index import BidsIndex
from brain_bundles.data.bids_scans import Labels, select_scans
from brain_bundles.data.checks import ImageCheck, check_image, log_doubts, warn_headers
from brain_bundles.data.problems import DatasetError, first_names, raise_problems
from brain_bundles.data.rendered import files_of
from brain_bundles.runs.dataset_jobs import MISSING, dataset_jobs
from brain_bundles.runs.input_files import ANY, file_jobs
from brain_bundles.runs.run_output import MAX_IMAGE_NAME
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)
Paths = str | os.PathLike[str]


@dataclass(frozen=True)
class TranslationInputs:
    """The sources of a translation, each with its targets.

    Attributes:
        items: one per source volume, for :class:`RunOutput` and for a data set. Each has ``participant_id`` (of BIDS,
            or the name of the file without its ending, with the folders between it and the input), ``image`` (path),
            ``source_sha256``, ``source`` (contrast) and ``skull_stripped`` (what its check found). The lists
            ``targets`` (contrasts), ``files`` (paths of the translations, relative to the output) and ``seeds`` have
            one entry per volume to make.
        problems: (kind, detail with the file's name) of each volume that is left out.
        bids: True if the items are of a BIDS dataset.
        where: the dataset or the files, for messages.
        dataset_dir: the BIDS dataset, None for files.
        done: what became of the volumes that were not left out, for messages.
    """

    items: list[dict[str, Any]]
    problems: list[tuple[str, str]]
    bids: bool
    where: str
    dataset_dir: str | None = None
    done: str = "translated"

    def raise_skipped(self) -> None:
        """Raise an error that names the volumes that were left out, after the others are done.

        Every process calls it. The processes wait for one another, so that none ends while another is still writing.

        Raises:
            DatasetError: if any volume was left out, with all of them.
        """
        if dist.is_available() and dist.is_initialized():
            dist.barrier()
        if self.problems:
            done = f"{self.where}: these volumes were left out, the others are {self.done}"
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
    entities: Mapping[str, object] | None = None,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
    seed: int = 0,
    strict: bool = False,
    extract_brain: bool | str = False,
) -> TranslationInputs:
    """Find and check the volumes of a translation. A bad one is logged and left out, see :class:`TranslationInputs`.

    Args:
        dataset_dir: BIDS dataset; without a participants.tsv every folder sub-* is a subject.
        input: a NIfTI file, a folder of them, a folder of patients' folders, or several of these. A file in a folder is
            used if its name ends in the ``source`` contrast, see :func:`~brain_bundles.data.contrast_of`; the others
            are named in the log. A file that is given by name is used, with a warning if its name says otherwise.
        source: contrast to translate from; "any" for files of any contrast, of a model that takes them. None, in a BIDS
            dataset, chooses for each target the best usable source that the subject has. So does the target
            ``"missing"``, for any ``source``.
        target: contrast to translate to, or several. In a BIDS dataset all must be known to :func:`image_path`, and
            ``"missing"`` makes for each subject, in each session, the ``contrasts`` of which no file is there under any
            entity, not even one that was not fetched.
        contrasts: contrasts that the model knows, None for any; needed to choose a source or find missing contrasts.
        source_order: target -> its sources, the best one first; the other ``contrasts`` follow in their order.
        split: "train", "val", "test", or None for everyone; of a BIDS dataset.
        entities: labels of the sources to choose where a subject has several of one contrast, such as {"acq": "3D"};
            see :class:`~brain_bundles.data.bids_index.BidsIndex`.
        participant_label, session_id: participants and sessions of a BIDS dataset to translate, with or without sub-
            and ses-, so that several runs share the work; None for all.
        seed: seed of the run. A volume's own seed depends on it, on the participant_id, the session and the target, not
            on the other volumes.
        strict: leave out volumes that do not look like one brain without skull; otherwise the log names them.
        extract_brain: the brain of whole heads will be extracted, so heads are neither doubted nor left out.

    Raises:
        FileNotFoundError: if dataset_dir does not exist, or has neither a participants.tsv nor subjects.
        ValueError: unless exactly one of dataset_dir and input is given; if the source is a target; for a malformed
            contrast, or one that is not in ``contrasts``; for an unknown split, entity, participant or session; for
            options of a dataset beside ``input``.
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
        where = files_of(dataset_dir)
        known = list(contrasts or [])
        order = {
            name: list(dict.fromkeys([*(source_order or {}).get(name, []), *known])) for name in (*targets, *known)
        }
        index = BidsIndex(where, entities)
        scans, problems = select_scans(
            index, split, participant_label=participant_label, session_id=session_id, needs_table=False
        )
        found = dataset_jobs(index, [scan for scan, _ in scans], source, targets, known, order, problems)
        hint = "expected .nii.gz or .nii"
    else:
        if split is not None:
            raise ValueError(
                f"split is {split!r}, but only a BIDS dataset has splits; give dataset_dir or leave it out."
            )
        options = {"entities": entities, "participant_label": participant_label, "session_id": session_id}
        if given := [key for key, value in options.items() if value is not None]:
            raise ValueError(f"{' and '.join(given)} chooses in a BIDS dataset; give dataset_dir or leave it out.")
        assert input is not None
        assert source is not None
        inputs = [Path(input)] if isinstance(input, (str, os.PathLike)) else [Path(path) for path in input]
        where = ", ".join(str(path) for path in inputs[:3]) + (" ..." if len(inputs) > 3 else "")
        found, problems, unknown = file_jobs(inputs, source, targets)
        hint = "expected .nii.gz or .nii" + ("" if source == ANY else f" with names that end in {source}")
        if unknown:
            hint += f", but these do not: {first_names(unknown)}; give files by their own names to translate them"

    checked: dict[Path, ImageCheck] = {}
    items: dict[Path, dict[str, Any]] = {}
    for job in found:
        for name, path, file in job.sources:
            if len(os.fsencode(Path(file).name)) > MAX_IMAGE_NAME:
                what = f"{path}: its translation {Path(file).name} has a name of more than {MAX_IMAGE_NAME} bytes"
                problems.append(("name too long", f"{what}; shorten the name of the source"))
                break
            if path not in checked:
                checked[path] = check_image(path, strict=strict and extract_brain is False)
            if checked[path].problem is None:
                # No name here may begin with image_: MONAI's Spacingd takes such entries for metadata of the image.
                new = {"participant_id": job.participant_id, "image": str(path), "files": [], "source": name}
                found_brain = {"skull_stripped": checked[path].skull_stripped}
                item = items.setdefault(path, {**new, **found_brain, "targets": [], "seeds": []})
                item["files"].append(file)
                item["targets"].append(job.target)
                item["seeds"].append(derive_seed(seed, job.name, job.target))
                break
    problems += [check.problem for check in checked.values() if check.problem is not None]
    if not items:
        raise_problems(where, problems or [("no images", f"there is nothing to translate; {hint}")])
    for kind, detail in problems:
        logger.warning("Left out, %s: %s", kind, detail)
    if extract_brain is False:
        advice = ", --extract_brain auto takes the brain out of whole heads"
        log_doubts((checked[path] for path in items), advice=advice)
    warn_headers([item["image"] for item in items.values()])
    for path, item in items.items():
        item["source_sha256"] = hash_file(path)
    in_dataset = dataset_dir is not None
    return TranslationInputs(list(items.values()), problems, in_dataset, where, where if in_dataset else None)


def _check_contrasts(
    source: str | None, targets: Sequence[str], contrasts: Sequence[str] | None, *, in_dataset: bool
) -> None:
    known = None if contrasts is None else set(contrasts)
    if not targets or len(set(targets)) != len(targets):
        raise ValueError(f"target is {list(targets)}, expected one contrast or several, each once.")
    if source == ANY and (known is None or in_dataset):
        raise ValueError(
            "source 'any' is for files (input) and a model of several contrasts; of a BIDS dataset give the files."
        )
    if source in targets:
        raise ValueError(f"source and target are both {source!r}; a translation needs two contrasts.")
    if (source is None or MISSING in targets) and (known is None or not in_dataset):
        what = f"target {MISSING!r}" if MISSING in targets else "source None"
        raise ValueError(f"{what} is for a BIDS dataset (dataset_dir) and a model that knows its contrasts.")
    if MISSING in targets and len(targets) > 1:
        raise ValueError(f"target is {list(targets)}; {MISSING!r} cannot be combined with other targets.")
    for name in (*([source] if source not in (None, ANY) else []), *(name for name in targets if name != MISSING)):
        if not re.fullmatch(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", name):
            raise ValueError(f"contrast {name!r}: expected a name such as T2w, of letters and digits.")
        if known is not None and name not in known:
            raise ValueError(f"unknown contrast {name!r}; this model knows {', '.join(contrasts or [])}.")
