"""Preview of a run of the segmenter: some of its scans with the colours of their structures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from brain_bundles.data.brain_classes import class_indices
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.data.read_image import read_image, read_values, to_ras
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.runs.run_picture import save_pairs
from brain_bundles.transforms.intensity import HEAD, ScaleForeground
from brain_bundles.utils.distributed import first_after_all
from brain_bundles.visualize.overlay import overlay

MARGIN = 6  # voxels around the brain that are shown


def write_segmentation_preview(output: RunOutput, *, max_scans: int = 6) -> None:
    """Write preview.png: three planes through the brains of the first scans, each beside its segmentation.

    Every process calls this once after segmenting. The processes wait for one another, then the first one writes.
    """
    if not first_after_all():
        return
    volumes: list[NDArray[np.float32]] = []
    labels: list[str] = []
    spacings: list[list[float]] = []
    scale = ScaleForeground(HEAD)
    for row in output.rows:
        path = output.path(row)
        if row["target"] != "dseg" or len(volumes) >= 2 * max_scans or not is_complete_nifti(path):
            continue
        scan, found = to_ras(read_image(row["image"])), to_ras(read_values(path))
        grey = scale(torch.from_numpy(np.ascontiguousarray(scan.voxels))[None])[0].numpy()
        indices = class_indices(found.voxels)
        box = tuple(slice(max(0, int(n.min()) - MARGIN), int(n.max()) + MARGIN + 1) for n in indices.nonzero())
        volumes += [grey[box], overlay(grey[box], indices[box])]
        labels += [f"{row['participant_id']}\n{row['source']}", Path(row["file"]).name]
        spacings += [voxel_sizes(scan.affine).tolist()] * 2
    save_pairs(output, volumes, labels, spacings)
