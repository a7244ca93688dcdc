"""Measured volumes of every brain in a folder, beside the volumes in its participants.tsv."""

from __future__ import annotations

import functools
import logging
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from tqdm import tqdm

from brain_bundles.data.datalists import bids_datalist
from brain_bundles.data.participants import format_cell, read_participants
from brain_bundles.evaluation.ventricle_atlas import load_ventricle_atlas
from brain_bundles.metrics.brain_volumes import BrainVolumes, measure_volumes
from brain_bundles.metrics.fidelity import Fidelity, requested_vs_measured
from brain_bundles.transforms.brain_extraction import extract_brain as find_brain
from brain_bundles.transforms.brain_extraction import is_whole_head
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.user_warning import BrainBundlesWarning

logger = logging.getLogger(__name__)
VOLUMES = ("ventricular_volume", "brain_volume")
# Measured ventricles of the real scans of older adults that were compared with a careful segmentation.
CHECKED_VENTRICLES_ML = (20.0, 124.0)
_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Measurement:
    """One brain.

    Attributes:
        participant_id: id of the participant; without a participants.tsv, name of the file without its ending.
        path: path of the image.
        measured: measured volumes, mL; NaN where they could not be measured.
        recorded: volumes from participants.tsv, mL: requested of a generator, or known of a person; NaN where there
            are none.
    """

    participant_id: str
    path: Path
    measured: BrainVolumes
    recorded: BrainVolumes


def find_images(folder: str | os.PathLike[str], suffix: str = "T1w") -> list[tuple[str, Path, BrainVolumes]]:
    """Find the images of a BIDS dataset, or all NIfTI files directly inside a folder, in order.

    Returns:
        (id, path, recorded volumes) for each image.

    Raises:
        FileNotFoundError: if the folder is missing or has no image.
        DatasetError: if the folder is a BIDS dataset whose table or images are incomplete.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give a BIDS dataset or a folder of NIfTI files.")
    unknown = BrainVolumes(math.nan, math.nan)
    if (root / "participants.tsv").is_file():
        items = bids_datalist(root, suffix, covariates=())
        rows = {str(row["participant_id"]): row for row in read_participants(root, VOLUMES)}
        found = []
        for item in items:
            row = rows[str(item["participant_id"])]
            values = (row.get(name) for name in VOLUMES)
            recorded = BrainVolumes(*(value if isinstance(value, float) else math.nan for value in values))
            found.append((str(item["participant_id"]), Path(str(item[suffix])), recorded))
    else:
        files = sorted(f for f in root.iterdir() if f.name.endswith(_ENDINGS) and not f.name.startswith("."))
        found = [(f.name.removesuffix(".gz").removesuffix(".nii"), f, unknown) for f in files]
    if not found:
        raise FileNotFoundError(
            f"{root}: no brain in it; give a BIDS dataset (with participants.tsv) or a folder that has .nii.gz or .nii "
            "files directly inside."
        )
    return found


def measure_file(path: str | os.PathLike[str], *, extract_brain: bool | str = False) -> BrainVolumes:
    """Measure the volumes of one NIfTI file, mL; NaN with a warning if the file or its volume cannot be used.

    Args:
        path: a brain-extracted T1w image, or a whole head with ``extract_brain``.
        extract_brain: True extracts the brain first, "auto" only that of a whole head.
    """
    try:
        image = nib.funcs.as_closest_canonical(nib.loadsave.load(path))
        volume = np.asarray(image.get_fdata(dtype=np.float32))
        volume = volume[..., 0] if volume.ndim == 4 and volume.shape[3] == 1 else volume
        if extract_brain is True or (extract_brain == "auto" and is_whole_head(volume, image.affine)):
            volume = volume * find_brain(volume, image.affine)[0]
        return measure_volumes(volume, image.affine, load_ventricle_atlas(), name=os.fspath(path))
    except (ImageFileError, EOFError, OSError, ValueError) as error:
        warnings.warn(f"{path}: its volumes cannot be measured: {error}", BrainBundlesWarning, stacklevel=2)
        return BrainVolumes(math.nan, math.nan)


def measure_folder(
    folder: str | os.PathLike[str],
    suffix: str = "T1w",
    *,
    progress: bool = True,
    extract_brain: bool | str = False,
) -> list[Measurement]:
    """Measure every brain that :func:`find_images` finds, and raise the same errors.

    If participants.tsv lacks volumes, the log says how to add the measured ones.
    """
    images = find_images(folder, suffix)
    measure = functools.partial(measure_file, extract_brain=extract_brain)
    bar = tqdm(images, desc="measure", unit="brain", disable=not progress)
    measurements = [Measurement(name, path, measure(path), recorded) for name, path, recorded in bar]
    unknown = sum(not np.isfinite(m.recorded).all() for m in measurements)
    if unknown and (Path(folder) / "participants.tsv").is_file():
        logger.info(
            "participants.tsv lacks volumes of %d participants; brain_bundles.data.write_volumes(%r, TABLE) adds those "
            "in the table of measurements",
            unknown,
            os.fspath(folder),
        )
    return measurements


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


def write_measurements(path: str | os.PathLike[str], measurements: Sequence[Measurement]) -> None:
    """Write a table of participant_id, measured volumes and, where any is known, recorded_* volumes; NaN as n/a.

    :func:`brain_bundles.data.write_volumes` adds the measured volumes to participants.tsv where it has none.
    """
    with_record = [n for n in VOLUMES if any(math.isfinite(getattr(m.recorded, n)) for m in measurements)]
    lines = ["\t".join(["participant_id", *VOLUMES, *(f"recorded_{name}" for name in with_record)])]
    for m in measurements:
        values = [*m.measured, *(getattr(m.recorded, name) for name in with_record)]
        cells = [format_cell(round(v, 2) if math.isfinite(v) else None) for v in values]
        lines.append("\t".join([m.participant_id, *cells]))
    atomic_write(path, "".join(f"{line}\n" for line in lines))
