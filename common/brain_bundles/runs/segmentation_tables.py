"""Tables of a run of the segmenter: volumes and quality, one line per scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import read_json, write_label_names
from brain_bundles.data.brain_classes import freesurfer_names
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.distributed import first_after_all

VOLUMES, QUALITY, FLAGS = "Volumes", "Quality", "Flags"  # entries of the sidecar of a segmentation


def write_segmentation_tables(output: RunOutput) -> None:
    """Write volumes.tsv (mL), quality.tsv and dseg.tsv beside the segmentations.

    The numbers are read from the sidecars, so that a run that was continued, or shared by several starts, has them all.

    Every process calls this once after segmenting. The processes wait for one another, then the first one writes.
    """
    if not first_after_all():
        return
    volumes, quality = [], []
    for row in output.record.read() or []:
        path = output.output_dir / row["file"]
        if row["target"] != "dseg" or not is_complete_nifti(path):
            continue
        sidecar = read_json(sidecar_path(path))
        about = {"participant_id": row["participant_id"], "file": row["file"], "contrast": row["source"]}
        volumes.append({**about, **{name: f"{value:.3f}" for name, value in sidecar[VOLUMES].items()}})
        scores = {name.replace(" ", "_"): f"{value:.3f}" for name, value in sidecar[QUALITY].items()}
        quality.append({**about, **scores, "flags": ", ".join(sidecar[FLAGS]) or "n/a"})
    if volumes:
        _write(output.output_dir / "volumes.tsv", volumes)
        _write(output.output_dir / "quality.tsv", quality)
        write_label_names(output.output_dir / "dseg.tsv", freesurfer_names())


def sidecar_path(image: Path) -> Path:
    """The JSON file beside an image (.nii.gz)."""
    return image.with_name(f"{image.name.removesuffix('.nii.gz')}.json")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    def line(row: Mapping[str, Any]) -> str:
        return "\t".join(str(row.get(name, "n/a")) for name in rows[0]) + "\n"

    atomic_write(path, line({name: name for name in rows[0]}) + "".join(line(row) for row in rows))
