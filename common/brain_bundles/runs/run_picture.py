"""Preview of a finished run: some of its volumes in three planes."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray

from brain_bundles.data.bids_names import parse_name
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.data.read_image import Image, read_image, read_values, to_ras
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.transforms.intensity import PERCENTILES, ScaleForeground
from brain_bundles.utils.distributed import first_after_all
from brain_bundles.utils.user_warning import BrainBundlesWarning
from brain_bundles.visualize.montage import save_montage

logger = logging.getLogger(__name__)


class VolumesLike(Protocol):
    """Volumes of a brain in mL, NaN where they could not be measured."""

    ventricular_volume: float
    brain_volume: float


def write_preview(
    output: RunOutput, *, max_samples: int = 8, measure: Callable[[Path], VolumesLike] | None = None
) -> None:
    """Write preview.png: three planes of the first finished samples, labelled with what was asked for.

    Args:
        output: output folder of the run.
        max_samples: number of samples to show.
        measure: measures the volumes of a T1w image, for the label, such as
            :func:`brain_bundles.evaluation.measurement.measure_file`; other contrasts are not measured.

    Every process calls this once after sampling. The processes wait for one another, then the first one writes.

    Raises:
        ValueError: if the run has no grid.
    """
    if not first_after_all():
        return
    if output.affine is None:
        raise ValueError("write_preview needs a grid; for translations use write_translation_preview.")
    volumes: list[NDArray[np.float32]] = []
    labels: list[str] = []
    for row in output.rows:
        path = output.path(row["participant_id"])
        if len(volumes) < max_samples and is_complete_nifti(path):
            volumes.append(read_values(path).voxels)
            lines = [f"{row['participant_id']}", *_asked(row)]
            if measure is not None and output.suffix == "T1w":
                lines += _measured(measure, path)
            labels.append("\n".join(lines))
    if volumes:
        spacing = np.diag(output.affine)[:3].tolist()
        try:
            save_montage(output.log_dir / "preview.png", np.stack(volumes), labels, spacing=spacing)
        except ImportError as error:  # the images are the result of the run; their picture is optional
            logger.warning("No preview.png: %s", error)


def _asked(row: Mapping[str, Any]) -> list[str]:
    """What was asked for, in two lines; nothing of a generator without conditions."""
    if "age" not in row:
        return []
    volumes = f"ventricles {row['ventricular_volume']:g} mL, brain {row['brain_volume']:g} mL"
    return [f"asked: {row['age']:g} years, {row['sex']}", volumes]


def _measured(measure: Callable[[Path], VolumesLike], path: Path) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BrainBundlesWarning)  # of a brain that cannot be measured
        try:
            found = measure(path)
        except ImportError:  # the images are the result; a package of the measurement is optional
            return []
    if math.isnan(found.ventricular_volume) or math.isnan(found.brain_volume):
        return []
    return [f"measured: {found.ventricular_volume:.1f} mL, {found.brain_volume:.0f} mL"]


def write_translation_preview(output: RunOutput, *, max_volumes: int = 4) -> None:
    """Write preview.png: three planes of the first sources, on the scale of the run, each beside its translation.

    Every process calls this once after translating. The processes wait for one another, then the first one writes.
    """
    if not first_after_all():
        return
    volumes: list[NDArray[np.float32]] = []
    labels: list[str] = []
    spacings: list[list[float]] = []
    settings = output.record.settings
    scale = ScaleForeground(settings.get("intensity_scale", PERCENTILES), settings.get("intensity_percentiles"))
    for row in output.rows:
        path = output.path(row)
        if len(volumes) == 2 * max_volumes or not is_complete_nifti(path) or not Path(row["image"]).is_file():
            continue
        source, spacing = _in_ras(read_image(row["image"]))
        translation, _ = _in_ras(read_values(path))
        name = parse_name(path.name)
        session = f"_ses-{name.entities['ses']}" if output.bids and name and "ses" in name.entities else ""
        who = f"{row['participant_id']}{session}"
        volumes += [scale(torch.from_numpy(source)).numpy(), translation]
        labels += [
            f"{who}\n{row.get('source', 'source')}",
            f"{who}\n{row.get('target', output.suffix)}, synthesised",
        ]
        spacings += [spacing, spacing]
    save_pairs(output, volumes, labels, spacings)


def save_pairs(
    output: RunOutput,
    volumes: Sequence[NDArray[np.float32]],
    labels: Sequence[str],
    spacings: Sequence[Sequence[float]],
) -> None:
    """Write preview.png of sources, each beside what was made of it; a run without the package for it goes on."""
    if volumes:
        try:
            save_montage(output.log_dir / "preview.png", volumes, labels, spacing=spacings, columns=2)
        except ImportError as error:  # the images are the result of the run; their picture is optional
            logger.warning("No preview.png: %s", error)


def _in_ras(image: Image) -> tuple[NDArray[np.float32], list[float]]:
    """Volume with axes reordered to RAS, and its voxel size in mm; oblique volumes stay oblique."""
    turned = to_ras(image)
    # torch does not take negative strides
    return np.ascontiguousarray(turned.voxels), nib.affines.voxel_sizes(turned.affine).tolist()
