"""Files of a prepared visit: images, mask, sidecars, and the record by which a later start knows that it is done."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brain_bundles.data.bids import image_path, source_uri
from brain_bundles.data.nifti import is_complete_nifti, write_labels, write_nifti
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.scans import Scan, Visit
from brain_bundles.prepare.visit import Prepared
from brain_bundles.utils.atomic import write_json
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.version import __version__

# Folder of DEST for what is not BIDS: records, pictures, the page.
OWN = "prepare"


def image_file(visit: Visit, contrast: str) -> str:
    """Path of a contrast relative to DEST, such as sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz."""
    return image_path("", visit.participant_id, contrast, visit.session_id).as_posix()


def mask_file(visit: Visit) -> str:
    """Path of the brain mask relative to DEST."""
    folder = "/".join(filter(None, (visit.participant_id, visit.session_id, "anat")))
    return f"{folder}/{visit.name}_desc-brain_mask.nii.gz"


def record_path(dest: Path, visit: Visit) -> Path:
    """Path of a visit's record."""
    return dest / OWN / "records" / f"{visit.name}.json"


def picture_path(dest: Path, visit: Visit) -> Path:
    """Path of a visit's picture."""
    return dest / OWN / "pictures" / f"{visit.name}.png"


def record_name(record: Mapping[str, Any]) -> str:
    """Such as sub-01_ses-1, of a visit's record."""
    return "_".join(filter(None, (record["participant_id"], record["session_id"])))


def read_record(dest: Path, visit: Visit) -> dict[str, Any] | None:
    """A visit's record, None if there is none."""
    path = record_path(dest, visit)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def is_done(dest: Path, visit: Visit, first: Scan | None, options: Options) -> bool:
    """Return True if the visit was prepared from these files with these settings, and its files are whole."""
    record = read_record(dest, visit)
    if not record or record.get("Problem") or record["Settings"] != json.loads(json.dumps(options.of_images())):
        return False
    if record["Stamps"] != stamps(visit, first):
        return False
    return all(is_complete_nifti(dest / file) for file in record["Files"])


def stamps(visit: Visit, first: Scan | None = None) -> dict[str, list[int]]:
    """Size and time of change of each source file: whether it is the one that was read.

    Args:
        visit: the scans.
        first: the image of the person's first visit that this visit is registered to.
    """
    found = {}
    for scan in [*visit.scans.values(), *visit.masks, *([first] if first else [])]:
        if scan.path.is_file():
            status = os.stat(scan.path)
            found[str(scan.path)] = [status.st_size, status.st_mtime_ns]
    return found


def remove_visit(dest: Path, visit: Visit) -> None:
    """Remove what an earlier start made of a visit: its sources may have changed since, or lack a contrast now."""
    record = read_record(dest, visit) or {}
    record_path(dest, visit).unlink(missing_ok=True)
    picture_path(dest, visit).unlink(missing_ok=True)
    for file in record.get("Files", []):
        for name in (file, file.replace(".nii.gz", ".json")):
            (dest / name).unlink(missing_ok=True)


def write_visit(
    dest: Path, source: Path, visit: Visit, first: Scan | None, made: Prepared, options: Options
) -> dict[str, Any]:
    """Write images, mask and sidecars of a visit; return its record, which :func:`write_record` writes last.

    Each image is scaled to [0, 1] by its largest value; the sidecar has that value.
    """
    files = []
    for contrast, head in made.heads.items():
        file = image_file(visit, contrast)
        scale = float(head.volume.data.max()) or 1.0
        sidecar = {
            "Description": f"{contrast} image, prepared",
            "SkullStripped": made.mask is not None or not head.whole,
            "Sources": [_uri(source, head.scan)],
            "SourceHash": hash_file(head.scan.path) if head.scan.path.is_file() else None,
            "IntensityScale": scale,
            "Steps": head.steps,
            "GeneratedBy": [{"Name": "brain-bundles", "Version": __version__}],
        }
        write_json((dest / file).with_name((dest / file).name.replace(".nii.gz", ".json")), sidecar)
        write_nifti(dest / file, np.clip(head.volume.data / scale, 0, 1), head.volume.affine)
        files.append(file)
    if made.mask is not None:
        any_head = next(iter(made.heads.values()))
        file = mask_file(visit)
        about = {"Type": "Brain", "Description": "intracranial content, CSF included"}
        write_json((dest / file).with_name((dest / file).name.replace(".nii.gz", ".json")), about)
        write_labels(dest / file, made.mask.astype(np.uint8), any_head.volume.affine)
        files.append(file)
    voxel_ml = next(iter(made.heads.values())).volume.voxel_ml
    return {
        **about_visit(visit, first, options),
        "Files": files,
        "Contrasts": list(made.heads),
        "MaskVolume": None if made.mask is None else round(float(made.mask.sum()) * voxel_ml, 1),
        "Warnings": made.warnings,
        "Problem": None,
    }


def about_visit(visit: Visit, first: Scan | None, options: Options) -> dict[str, Any]:
    """The part of a record that is known before the work."""
    return {
        "participant_id": visit.participant_id,
        "session_id": visit.session_id,
        "Settings": options.of_images(),
        "Stamps": stamps(visit, first),
        "Version": __version__,
    }


def write_record(dest: Path, visit: Visit, record: Mapping[str, Any]) -> None:
    """Write a visit's record: its work is done, or failed with ``Problem``."""
    write_json(record_path(dest, visit), record)


def _uri(source: Path, scan: Scan) -> str:
    """BIDS URI of a source file; dataset_description.json says where the dataset ``source`` lies."""
    return source_uri(scan.path, source) if scan.path.is_relative_to(source) else scan.path.name
