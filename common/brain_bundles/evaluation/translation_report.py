"""The evaluation of translations for people: a summary, a Markdown table, a table per subject and a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brain_bundles.data.participants import format_cell
from brain_bundles.evaluation.tables import cell, table
from brain_bundles.metrics.translation import TranslationScores
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.visualize.montage import save_montage

# Name in the files -> title with the better direction, format.
METRICS: Mapping[str, tuple[str, str]] = {
    "mae": ("MAE ↓", ".4f"),
    "psnr": ("PSNR (dB) ↑", ".2f"),
    "ssim": ("SSIM ↑", ".4f"),
    "ms_ssim": ("MS-SSIM ↑", ".4f"),
    "nmse": ("NMSE ↓", ".4f"),
    "through_plane_error": ("through-plane error ↓", ".4f"),
    "seconds": ("seconds per volume ↓", ".2f"),
}
COPY, REGRESSION = "copy", "intensity regression"  # the baselines
ERROR_SCALES = (1, 2, 4, 8, 16)
_SLICES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class SubjectScore:
    """What one method reached on one subject, and the seconds that it took."""

    participant_id: str
    method: str
    scores: TranslationScores
    seconds: float

    @property
    def values(self) -> dict[str, float]:
        """One number per entry of ``METRICS``."""
        return {**asdict(self.scores), "seconds": self.seconds}


def summarise(rows: Sequence[SubjectScore]) -> dict[str, dict[str, dict[str, float]]]:
    """method -> metric -> mean and (sample) standard deviation over the subjects.

    Not finite where the metric is undefined for any subject: a mean over the others would not compare with that of
    another method.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for method in dict.fromkeys(row.method for row in rows):
        summary[method] = {}
        for name in METRICS:
            values = np.array([row.values[name] for row in rows if row.method == method])
            spread = values.size > 1 and bool(np.isfinite(values).all())
            std = float(values.std(ddof=1)) if spread else math.nan
            summary[method][name] = {"mean": float(values.mean()), "std": std}
    return summary


def subject_scores(rows: Sequence[SubjectScore]) -> dict[str, dict[str, dict[str, float]]]:
    """participant -> method -> metric -> value."""
    subjects: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        subjects.setdefault(row.participant_id, {})[row.method] = row.values
    return subjects


def translation_markdown(metrics: Mapping[str, Any]) -> str:
    """The metrics of :func:`brain_bundles.evaluation.translation.evaluate_translation` as a readable table."""

    def entry(value: Mapping[str, float | None], form: str) -> str:
        mean = cell(value["mean"], form)
        return mean if value["std"] is None else f"{mean} ± {cell(value['std'], form)}"

    grid = " x ".join(str(n) for n in metrics["spatial_size"])
    spacing = " x ".join(f"{mm:g}" for mm in metrics["spacing"])
    kernel = metrics["ms_ssim_kernel_size"]
    lines = [
        f"# Translation of {metrics['source']} to {metrics['target']}",
        "",
        f"Mean ± standard deviation over {metrics['num_subjects']} subjects; ↓ lower is better, ↑ higher is better.",
        "",
    ]
    lines += table(
        ["method", *(title for title, _ in METRICS.values())],
        [
            [method, *(entry(values[name], form) for name, (_, form) in METRICS.items())]
            for method, values in metrics["methods"].items()
        ],
    )
    slices = _SLICES[metrics["slice_axis"]]
    notes = [
        f"Intensities are in [0, {metrics['data_range']:g}], on a grid of {grid} voxels of {spacing} mm.",
        f"Within the brain: {metrics['mask']}.",
        f"SSIM has Gaussian windows of {metrics['ssim_kernel_size']} voxels a side, MS-SSIM of {kernel}.",
        f"MS-SSIM takes in the air around the brain, as 0, and needs {16 * kernel} voxels a side or more.",
        "NMSE is the squared error divided by the squared target.",
        f"The through-plane error compares the steps between neighbouring {slices} slices with those of the target.",
        f"`{COPY}` is the source itself.",
        f"`{REGRESSION}` is the mean {metrics['target']} intensity given that of {metrics['source']}, voxel by voxel.",
        f"It is fitted to {metrics['num_train_subjects']} training subjects.",
        "n/a: undefined or infinite for at least one subject.",
    ]
    lines += [f"- {note}" for note in notes]
    return "\n".join([*lines, ""])


def write_scores(path: str | os.PathLike[str], rows: Sequence[SubjectScore]) -> None:
    """Write a table with one row per subject and method; n/a for what is undefined or infinite."""
    lines = ["\t".join(["participant_id", "method", *METRICS])]
    for row in rows:
        values = [row.values[name] for name in METRICS]
        cells = [format_cell(float(f"{value:.6g}") if math.isfinite(value) else None) for value in values]
        lines.append("\t".join([row.participant_id, row.method, *cells]))
    atomic_write(path, "".join(f"{line}\n" for line in lines))


def error_scale(error: torch.Tensor) -> int:
    """The largest factor of ``ERROR_SCALES`` that leaves 99 % of the errors below 1; the first if none does."""
    high = float(np.percentile(error.numpy(), 99)) if error.numel() else 0.0
    return max((scale for scale in ERROR_SCALES if scale * high <= 1), default=ERROR_SCALES[0])


def draw_comparison(
    path: str | os.PathLike[str],
    source: tuple[str, torch.Tensor],
    target: tuple[str, torch.Tensor],
    predictions: Mapping[str, torch.Tensor],
    scores: Sequence[SubjectScore],
    *,
    spacing: Sequence[float],
) -> None:
    """A picture of one subject in three planes: source beside target, below them each prediction beside its error.

    Errors are brightened alike for all methods, by a factor that suits the last one and stands in the label.

    Args:
        path: of the PNG.
        source: name and volume (D, H, W), RAS, in [0, 1].
        target: the same.
        predictions: method -> volume.
        scores: of this subject, one per method.
        spacing: voxel size (D, H, W), mm.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    last = list(predictions.values())[-1]
    scale = error_scale((last - target[1]).abs()[target[1] > 0])
    volumes, labels = [source[1], target[1]], [f"source: {source[0]}", f"target: {target[0]}"]
    of = {row.method: row.scores for row in scores}
    for method, prediction in predictions.items():
        error = (prediction - target[1]).abs()
        volumes += [prediction, scale * error]
        numbers = f"PSNR {of[method].psnr:.2f} dB, SSIM {of[method].ssim:.3f}"
        labels += [f"{method}: {numbers}", f"{method}: |error| x {scale}"]
    title = f"{scores[0].participant_id}: {source[0]} to {target[0]}"
    save_montage(Path(path), volumes, labels, title=title, spacing=spacing, columns=2)
