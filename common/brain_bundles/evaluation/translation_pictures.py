"""Picture of a comparison: one subject by all methods, or by one method in all cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from brain_bundles.evaluation.translation_predictions import Prediction
from brain_bundles.evaluation.translation_subject import BRAIN, Subject
from brain_bundles.evaluation.translation_summary import CellScore
from brain_bundles.visualize.montage import save_montage

ERROR_SCALES = (1, 2, 4, 8, 16)


def error_scale(error: torch.Tensor) -> int:
    """Largest factor of ``ERROR_SCALES`` that keeps 99 % of the errors below 1; the first if none does."""
    high = float(np.percentile(error.numpy(), 99)) if error.numel() else 0.0
    return max((scale for scale in ERROR_SCALES if scale * high <= 1), default=ERROR_SCALES[0])


def draw_comparison(
    path: Path,
    subject: Subject,
    predictions: Sequence[Prediction],
    scores: Sequence[CellScore],
    *,
    spacing: Sequence[float],
) -> None:
    """Draw one cell in three planes: source beside target, below them each prediction beside its error.

    All errors are brightened by the same factor. It is chosen for the last method and shown in the label.

    Args:
        path: path of the PNG.
        subject: subject with both contrasts.
        predictions: predictions of one cell, one per method.
        scores: scores that include this subject and cell.
        spacing: voxel size (D, H, W), mm.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    last = predictions[-1]
    source, target = subject.volumes[last.source], subject.volumes[last.target]
    scale = error_scale((last.volume - target).abs()[target > 0])
    volumes, labels = [source, target], [f"source: {last.source}", f"target: {last.target}"]
    mine = [row for row in scores if row.participant_id == subject.participant_id and row.region == BRAIN]
    of = {row.method: row.scores for row in mine if (row.source, row.target) == (last.source, last.target)}
    for one in predictions:
        volumes += [one.volume, scale * (one.volume - target).abs()]
        numbers = f"PSNR {of[one.method].psnr:.2f} dB, SSIM {of[one.method].ssim:.3f}"
        labels += [f"{one.method}: {numbers}", f"{one.method}: |error| x {scale}"]
    title = f"{subject.participant_id}: {last.source} to {last.target}"
    save_montage(path, volumes, labels, title=title, spacing=spacing, columns=2)


def draw_matrix(path: Path, subject: Subject, predictions: Sequence[Prediction], *, spacing: Sequence[float]) -> None:
    """Draw the cells of one method: a row per source, a column per target; the true volumes are on the diagonal.

    A cell without a prediction stays black.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    made = {(one.source, one.target): one.volume for one in predictions}
    shown, labels = [], []
    for source, true in subject.volumes.items():
        for target in subject.volumes:
            volume = true if source == target else made.get((source, target))
            shown.append(torch.zeros_like(true) if volume is None else volume)
            label = f"{source} (true)" if source == target else f"{source} to {target}"
            labels.append("" if volume is None else label)
    save_montage(path, shown, labels, title=subject.participant_id, spacing=spacing, columns=len(subject.volumes))
