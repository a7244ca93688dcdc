"""Datalists of scans with their segmentations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brain_bundles.data.bids import image_path, segmentation_path
from brain_bundles.data.bids_index import BidsIndex, not_fetched
from brain_bundles.data.bids_scans import scan_ids, select_scans
from brain_bundles.data.checks import image_grid, image_problem
from brain_bundles.data.problems import raise_problems
from brain_bundles.data.rendered import RenderedDataset


def segmentation_datalist(
    dataset_dir: str | os.PathLike[str] | RenderedDataset,
    contrasts: Sequence[str],
    split: str | None = None,
    *,
    segmentation: str = "freesurfer",
    check_also: Sequence[str] = (),
    entities: Mapping[str, object] | None = None,
) -> Sequence[Mapping[str, Any]]:
    """One item per scan that has a segmentation: its path as ``image``, that of the segmentation as ``label``.

    Every file is read and checked first. A population gives one item per person, see
    :meth:`~brain_bundles.data.RenderedDataset.segmentations`.

    Args:
        dataset_dir: BIDS dataset with ``derivatives/<segmentation>/sub-01/anat/sub-01_dseg.nii.gz``, on the grid of
            the scans; or a population.
        contrasts: contrasts to take; those that a visit lacks do not matter.
        split: "train", "val", "test", or None for everyone.
        segmentation: name of the derivative with the segmentations.
        check_also: other splits to check as well, so that a training reports the bad files of its validation at once.
        entities: as for :func:`brain_bundles.data.bids_datalist`.

    Raises:
        FileNotFoundError: if the folder or its participants.tsv is missing.
        ValueError: for an unknown contrast or split.
        DatasetError: with every file that cannot be used, every scan that is not on the grid of its segmentation, or if
            nobody has both.
    """
    for contrast in contrasts:
        image_path("", "", contrast)  # raises for an unknown one
    if isinstance(dataset_dir, RenderedDataset):
        return dataset_dir.segmentations(contrasts, split)
    index = BidsIndex(dataset_dir, entities)
    parts: dict[str | None, list[dict[str, Any]]] = {}
    problems: list[tuple[str, str]] = []
    for part in dict.fromkeys((split, *check_also)):
        scans, found = select_scans(index, part, needs_table=False)
        problems += found
        with_sessions = any(scan.session_id for scan, _ in scans)
        parts[part] = [
            {**scan_ids(scan, with_sessions), "contrast": contrast, "image": str(path), "label": str(label)}
            for scan, _ in scans
            if (label := segmentation_path(dataset_dir, scan.participant_id, segmentation, scan.session_id)).is_file()
            for contrast in contrasts
            if (path := index.find(scan, contrast)) is not None
        ]
        if scans and not parts[part]:
            where = segmentation_path(dataset_dir, scans[0][0].participant_id, segmentation, scans[0][0].session_id)
            problems.append(("no segmentations", f"nobody of split {part} has a scan and one like {where}"))
    index.log_choices()
    for item in (item for part in parts.values() for item in part):
        problems += _item_problems(item)
    raise_problems(Path(dataset_dir), problems)
    return parts[split]


def _item_problems(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key in ("image", "label"):
        if advice := not_fetched(item[key]):
            found.append(("image that was not fetched", advice))
        elif problem := image_problem(item[key], read_voxels=key == "image"):
            found.append(problem)
    if found:
        return found
    (shape, affine), (other, matrix) = image_grid(item["image"]), image_grid(item["label"])
    if shape != other or not np.allclose(affine, matrix, rtol=0, atol=1e-2):
        return [("different grids", f"{item['image']} has {shape}, {item['label']} {other}, or another affine")]
    return []
