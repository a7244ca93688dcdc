"""Inputs of the segmenter: scans of any contrast in a BIDS dataset, a folder or single files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import image_path, segmentation_name
from brain_bundles.data.bids_index import BidsIndex, not_fetched
from brain_bundles.data.bids_names import CE_CONTRAST, parse_name
from brain_bundles.data.bids_scans import Labels, select_scans
from brain_bundles.data.checks import check_image, warn_headers
from brain_bundles.data.contrast_spellings import MASK, SEGMENTATION, contrast_of
from brain_bundles.data.problems import first_names, raise_problems
from brain_bundles.data.rendered import files_of
from brain_bundles.runs.input_files import nifti_files
from brain_bundles.runs.run_output import MAX_IMAGE_NAME
from brain_bundles.runs.translation_inputs import Paths, TranslationInputs
from brain_bundles.utils.fingerprint import hash_file

logger = logging.getLogger(__name__)
# Contrasts of a dataset that show the brain; maps of relaxation times and angiograms do not look like them.
CONTRASTS = ("T1w", CE_CONTRAST, "T2w", "PDw", "FLAIR", "UNIT1", "T2starw", "inplaneT1", "inplaneT2", "PDT2")
TARGETS = ("mask", "dseg")  # the segmentation is written last
_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


def segmentation_inputs(
    dataset_dir: Paths | None = None,
    input: Paths | Sequence[Paths] | None = None,  # noqa: A002  (the option's name on the command line)
    *,
    contrasts: Sequence[str] | None = None,
    split: str | None = None,
    entities: Mapping[str, object] | None = None,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
) -> TranslationInputs:
    """Find and check the scans to segment, whole heads or brains; a bad one is logged and left out.

    Args:
        dataset_dir: BIDS dataset; without a participants.tsv every folder sub-* is a subject.
        input: a NIfTI file, a folder of them and of folders, or several of these. In a folder all are taken but those
            whose names say that they are masks or segmentations; a file that is given by name is always taken.
        contrasts: contrasts of the dataset to segment, None for ``CONTRASTS``; those that a visit lacks do not matter.
        split: "train", "val", "test", or None for everyone; of a BIDS dataset.
        entities: labels of the scans to choose where a visit has several of one contrast.
        participant_label, session_id: participants and sessions of a BIDS dataset; None for all.

    Returns:
        One item per scan: the brain mask and the segmentation are its two ``files``.

    Raises:
        FileNotFoundError: if dataset_dir does not exist, or has neither a participants.tsv nor subjects.
        ValueError: unless exactly one of dataset_dir and input is given; for an unknown contrast, split, entity,
            participant or session; for options of a dataset beside ``input``.
        DatasetError: if no scan can be used, with the reason for each.
    """
    if (dataset_dir is None) == (input is None):
        raise ValueError(
            f"dataset_dir is {dataset_dir} and input is {input}; give one: dataset_dir for a BIDS dataset, input for a "
            "NIfTI file or a folder of them."
        )
    problems: list[tuple[str, str]] = []
    if dataset_dir is not None:
        where = files_of(dataset_dir)
        index = BidsIndex(where, entities)
        scans, problems = select_scans(
            index, split, participant_label=participant_label, session_id=session_id, needs_table=False
        )
        found = list(_in_dataset(index, scans, contrasts or CONTRASTS, problems))
        index.log_choices()
    else:
        options = {"entities": entities, "participant_label": participant_label, "session_id": session_id}
        options |= {"split": split, "contrasts": contrasts}
        if given := [key for key, value in options.items() if value is not None]:
            raise ValueError(f"{' and '.join(given)} chooses in a BIDS dataset; give dataset_dir or leave it out.")
        assert input is not None
        paths = [Path(input)] if isinstance(input, (str, os.PathLike)) else [Path(path) for path in input]
        where = ", ".join(str(path) for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
        found = list(_in_folders(paths, problems))

    items: list[dict[str, Any]] = []
    for item in found:
        if any(len(os.fsencode(Path(file).name)) > MAX_IMAGE_NAME for file in item["files"]):
            problems.append(("name too long", f"{item['image']}: shorten its name by some characters"))
            continue
        check = check_image(item["image"])
        if check.problem is not None:
            problems.append(check.problem)
            continue
        about = {"targets": list(TARGETS), "skull_stripped": check.skull_stripped}
        items.append({**item, **about, "source_sha256": hash_file(item["image"])})
    if not items:
        raise_problems(where, problems or [("no images", "there is nothing to segment; expected .nii.gz or .nii")])
    for kind, detail in problems:
        logger.warning("Left out, %s: %s", kind, detail)
    warn_headers([item["image"] for item in items])
    in_dataset = dataset_dir is not None
    return TranslationInputs(items, problems, in_dataset, where, where if in_dataset else None, done="segmented")


def _in_dataset(
    index: BidsIndex, scans: Sequence[Any], contrasts: Sequence[str], problems: list[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    for contrast in contrasts:
        image_path("", "", contrast)  # raises for an unknown one
    for scan, _ in scans:
        paths = {contrast: path for contrast in contrasts if (path := index.find(scan, contrast)) is not None}
        if not paths:
            problems.append(("no scan", f"{scan} has none of {', '.join(contrasts)}"))
        for contrast, path in paths.items():
            if advice := not_fetched(path):
                problems.append(("image that was not fetched", advice))
                continue
            name = parse_name(path.name)
            assert name is not None  # the index has names of BIDS only
            files = [segmentation_name(name, "mask", "brain").as_posix(), segmentation_name(name, "dseg").as_posix()]
            yield {"participant_id": scan.participant_id, "image": str(path), "files": files, "source": contrast}


def _in_folders(paths: Sequence[Path], problems: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    taken: dict[str, Path] = {}
    skipped = []
    for given in paths:
        for path in nifti_files(given) if given.is_dir() else [given]:
            stem = _NIFTI.sub("", path.name)
            if stem == path.name:
                problems.append(("not NIfTI", f"{path}: expected a name that ends in .nii.gz or .nii"))
                continue
            contrast = contrast_of(path)
            if given.is_dir() and contrast in (MASK, SEGMENTATION):
                skipped.append(str(path))
                continue
            name = (path.parent.relative_to(given) / stem if given.is_dir() else Path(stem)).as_posix()
            if name in taken:
                problems.append(("same name", f"{path}: {taken[name]} has the same name; rename one of them"))
                continue
            taken[name] = path
            files = [f"{name}_desc-brain_mask.nii.gz", f"{name}_dseg.nii.gz"]
            yield {"participant_id": name, "image": str(path), "files": files, "source": contrast or "unknown"}
    if skipped:
        logger.info("%d files are not segmented, as they are segmentations: %s", len(skipped), first_names(skipped))
