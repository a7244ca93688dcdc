"""Measured volumes of every brain in a folder, beside the volumes in its participants.tsv."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from brain_bundles.data.anatomy import is_whole_head
from brain_bundles.data.bids_index import BidsIndex, item_scan, scan_of
from brain_bundles.data.bids_scans import Labels, select_scans
from brain_bundles.data.datalists import bids_datalist
from brain_bundles.data.participants import format_cell, parse_covariate, read_tsv
from brain_bundles.data.problems import ImageError, raise_problems
from brain_bundles.data.read_image import read_image, to_ras
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.ventricle_atlas import load_ventricle_atlas
from brain_bundles.metrics.brain_volumes import BrainVolumes, measure_volumes
from brain_bundles.metrics.fidelity import Fidelity, requested_vs_measured
from brain_bundles.transforms.brain_extraction import extract_brain as find_brain
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.user_warning import BrainBundlesWarning

logger = logging.getLogger(__name__)
# Measured ventricles of the real scans of older adults that were compared with a careful segmentation.
CHECKED_VENTRICLES_ML = (20.0, 124.0)
# Both are compared with segmentations of people in docs/reference/results/segmenter.md.
CLASSICAL, NETWORK = METHODS = ("classical", "network")
_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Measurement:
    """One brain.

    Attributes:
        participant_id: id of the participant, with that of the session if there is one (sub-01_ses-02); without a
            participants.tsv, name of the file without its ending.
        path: path of the image.
        measured: measured volumes, mL; NaN where they could not be measured.
        recorded: volumes from participants.tsv, mL: requested of a generator, or known of a person; NaN where there
            are none.
    """

    participant_id: str
    path: Path
    measured: BrainVolumes
    recorded: BrainVolumes


def find_images(
    folder: str | os.PathLike[str],
    suffix: str = "T1w",
    *,
    entities: Mapping[str, object] | None = None,
    participant_label: Labels | None = None,
    session_id: Labels | None = None,
) -> list[tuple[str, Path, BrainVolumes]]:
    """Find the images of a BIDS dataset, or all NIfTI files directly inside a folder, in order.

    Args:
        folder: the folder.
        suffix: contrast of the images of a dataset.
        entities, participant_label, session_id: choose in a dataset, see :func:`brain_bundles.data.bids_datalist`.

    Returns:
        (id, path, recorded volumes) for each image.

    Raises:
        ValueError: for an unknown entity, participant or session, and for these options in a folder of files.
        FileNotFoundError: if the folder is missing or has no image.
        DatasetError: if the folder is a BIDS dataset whose table or images are incomplete.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give a BIDS dataset or a folder of NIfTI files.")
    unknown = BrainVolumes(math.nan, math.nan)
    options: dict[str, Any] = {"participant_label": participant_label, "session_id": session_id}
    if (root / "participants.tsv").is_file():
        items = bids_datalist(root, suffix, covariates=(), entities=entities, **options)
        scans, problems = select_scans(BidsIndex(root), covariates=VOLUMES, required=False, **options)
        raise_problems(root, problems)
        rows = dict(scans)
        found = []
        for item in items:
            scan = item_scan(item)
            values = (rows[scan].get(name) for name in VOLUMES)
            recorded = BrainVolumes(*(value if isinstance(value, float) else math.nan for value in values))
            found.append((str(scan), Path(str(item[suffix])), recorded))
    elif given := [key for key, value in {"entities": entities, **options}.items() if value is not None]:
        raise ValueError(f"{root} has no participants.tsv, and {' and '.join(given)} chooses in a BIDS dataset.")
    else:
        files = sorted(f for f in root.iterdir() if f.name.endswith(_ENDINGS) and not f.name.startswith("."))
        found = [(f.name.removesuffix(".gz").removesuffix(".nii"), f, unknown) for f in files]
    if not found:
        raise FileNotFoundError(
            f"{root}: no brain in it; give a BIDS dataset (with participants.tsv) or a folder that has .nii.gz or .nii "
            "files directly inside."
        )
    return found


def measure_file(
    path: str | os.PathLike[str],
    *,
    method: str = NETWORK,
    segmenter: str | os.PathLike[str] | None = None,
    extract_brain: bool | str = False,
) -> BrainVolumes:
    """Measure the volumes of one NIfTI file, mL; NaN with a warning if the file or its volume cannot be used.

    Args:
        path: a brain MRI of any contrast; for ``classical`` a brain-extracted T1w, or a head with ``extract_brain``.
        method: "network", the segmenter, for any contrast and any head; "classical", rules on the histogram of a T1w
            image, see :func:`~brain_bundles.metrics.measure_volumes`.
        segmenter: weights of the network; None for those that come with the collection.
        extract_brain: for ``classical``: True extracts the brain first, "auto" only that of a whole head.

    Raises:
        FileNotFoundError: if there are no weights of the network.
        ValueError: for another method.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, allowed are {', '.join(METHODS)}.")
    network = load_segmenter(segmenter) if method == NETWORK else None
    try:
        image = read_image(path)
        if network is not None:
            found = network(image.voxels, image.affine).volumes
            return BrainVolumes(*(found[name] for name in VOLUMES))
        image = to_ras(image)
        volume = image.voxels
        if extract_brain is True or (extract_brain == "auto" and is_whole_head(volume, image.affine)):
            volume = volume * find_brain(volume, image.affine, segmenter=segmenter)[0]
        return measure_volumes(volume, image.affine, load_ventricle_atlas(), name=os.fspath(path))
    except ValueError as error:
        reason = f"{error.kind}: {error.detail}" if isinstance(error, ImageError) else error
        warnings.warn(f"{path}: its volumes cannot be measured: {reason}", BrainBundlesWarning, stacklevel=2)
        return BrainVolumes(math.nan, math.nan)


def measure_folder(
    folder: str | os.PathLike[str],
    suffix: str = "T1w",
    *,
    progress: bool = True,
    method: str = NETWORK,
    segmenter: str | os.PathLike[str] | None = None,
    extract_brain: bool | str = False,
    **options: Any,
) -> list[Measurement]:
    """Measure every brain that :func:`find_images` finds with the same ``options``, and raise the same errors.

    If participants.tsv lacks volumes, the log says how to add the measured ones. ``method``, ``segmenter`` and
    ``extract_brain`` are those of :func:`measure_file`.
    """
    how: dict[str, Any] = {"method": method, "segmenter": segmenter, "extract_brain": extract_brain}
    measurements = measure_images(find_images(folder, suffix, **options), progress=progress, **how)
    unknown = sum(not np.isfinite(m.recorded).all() for m in measurements)
    if unknown and (Path(folder) / "participants.tsv").is_file():
        logger.info(
            "participants.tsv lacks volumes of %d participants; brain_bundles.data.write_volumes(%r, TABLE) adds those "
            "in the table of measurements",
            unknown,
            os.fspath(folder),
        )
    return measurements


def measure_images(
    images: Sequence[tuple[str, Path, BrainVolumes]], *, progress: bool = True, **how: Any
) -> list[Measurement]:
    """Measure images of :func:`find_images`; ``how`` are options of :func:`measure_file`."""
    bar = tqdm(images, desc="measure", unit="brain", disable=not progress)
    return [Measurement(name, path, measure_file(path, **how), recorded) for name, path, recorded in bar]


def merge_measurements(
    folder: str | os.PathLike[str], tables: Sequence[str | os.PathLike[str]], suffix: str = "T1w", **options: Any
) -> list[Measurement]:
    """Read the brains of a folder from the tables of several runs that shared the measuring.

    The result has the order of the folder, as if one run had measured all.

    Args:
        folder, suffix, options: as for :func:`find_images`.
        tables: tables of :func:`write_measurements`.

    Raises:
        DatasetError: with every brain that no table has, that two tables have, or that the folder lacks, and every
            impossible volume.
    """
    images = find_images(folder, suffix, **options)
    measured: dict[str, BrainVolumes] = {}
    problems: list[tuple[str, str]] = []
    for table in tables:
        for line in read_tsv(table):
            name = "_".join(str(line[key]) for key in ("participant_id", "session_id") if line.get(key))
            if name in measured:
                problems.append(("measured twice", f"{table}: {name}"))
            try:
                values = [parse_covariate(key, line.get(key)) for key in VOLUMES]
            except ValueError as error:
                problems.append(("impossible value", f"{table}: {name}: {error}"))
                continue
            measured[name] = BrainVolumes(*(value if isinstance(value, float) else math.nan for value in values))
    known = {name for name, _, _ in images}
    problems += [("not in the tables", name) for name in known if name not in measured]
    problems += [("not in the folder", name) for name in measured if name not in known]
    raise_problems(folder, sorted(problems))
    return [Measurement(name, path, measured[name], recorded) for name, path, recorded in images]


def fidelity_of(measurements: Sequence[Measurement]) -> dict[str, Fidelity]:
    """Compare recorded and measured values, for each volume that any brain has a record of."""
    result = {}
    for name in VOLUMES:
        recorded = [getattr(m.recorded, name) for m in measurements]
        if np.isfinite(recorded).any():
            result[name] = requested_vs_measured(recorded, [getattr(m.measured, name) for m in measurements])
    return result


def outside_of_checked(measurements: Sequence[Measurement]) -> str | None:
    """Warning about ventricles outside of the range in which the method was checked on real scans, None without any."""
    low, high = CHECKED_VENTRICLES_ML
    volumes = {m.participant_id: m.measured.ventricular_volume for m in measurements}
    outside = [name for name, volume in volumes.items() if math.isfinite(volume) and not low <= volume <= high]
    if not outside:
        return None
    names = ", ".join(outside[:3]) + (", ..." if len(outside) > 3 else "")
    return (
        f"{len(outside)} of {len(measurements)} brains have ventricles outside of {low:g} to {high:g} mL ({names}), "
        "the range in which the method was checked on real scans. Below it ventricles may read too small: those of two "
        "young adults measured 7.7 and 8.8 mL, and were traced by hand as 13.7 and 15.1 mL."
    )


def write_measurements(
    path: str | os.PathLike[str], measurements: Sequence[Measurement], *, overwrite: bool = True
) -> None:
    """Write a table of participant_id, measured volumes and, where any is known, recorded_* volumes; NaN as n/a.

    With sessions it has a column session_id, too.

    :func:`brain_bundles.data.write_volumes` adds the measured volumes to participants.tsv where it has none.

    Raises:
        FileExistsError: without ``overwrite``, if there is such a file.
    """
    with_record = [n for n in VOLUMES if any(math.isfinite(getattr(m.recorded, n)) for m in measurements)]
    scans = [scan_of(m.participant_id) for m in measurements]
    sessions = ["session_id"] if any(scan.session_id for scan in scans) else []
    lines = ["\t".join(["participant_id", *sessions, *VOLUMES, *(f"recorded_{name}" for name in with_record)])]
    for m, scan in zip(measurements, scans, strict=True):
        values = [*m.measured, *(getattr(m.recorded, name) for name in with_record)]
        cells = [format_cell(round(v, 2) if math.isfinite(v) else None) for v in values]
        ids = [scan.participant_id, scan.session_id or "n/a"] if sessions else [m.participant_id]
        lines.append("\t".join([*ids, *cells]))
    atomic_write(path, "".join(f"{line}\n" for line in lines), exclusive=not overwrite)
