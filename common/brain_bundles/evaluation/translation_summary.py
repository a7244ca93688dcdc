"""Scores of a comparison: one row per subject, cell, method and region, and their means."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brain_bundles.data.participants import format_cell
from brain_bundles.evaluation.translation_baselines import COPY
from brain_bundles.evaluation.translation_cells import cell_name
from brain_bundles.evaluation.translation_subject import BRAIN
from brain_bundles.metrics.translation import TranslationScores
from brain_bundles.utils.atomic import atomic_write

# Name in the files -> title with the better direction, format.
METRICS: Mapping[str, tuple[str, str]] = {
    "mae": ("MAE ↓", ".4f"),
    "psnr": ("PSNR (dB) ↑", ".2f"),
    "ssim": ("SSIM ↑", ".4f"),
    "ms_ssim": ("MS-SSIM ↑", ".4f"),
    "nmse": ("NMSE ↓", ".4f"),
    "through_plane_error": ("through-plane error ↓", ".4f"),
    "power_coarse": ("power at 0.11-0.14", ".2f"),
    "power_middle": ("power at 0.14-0.17", ".2f"),
    "power_fine": ("power at 0.17-0.20", ".2f"),
    "masked_volume_ssim": ("SSIM of masked volumes ↑", ".4f"),
    "seconds": ("seconds per volume ↓", ".2f"),
}
ALL = "all"


@dataclass(frozen=True)
class CellScore:
    """Scores of one method for one subject, source, target and region, and the seconds of the whole volume."""

    participant_id: str
    method: str
    source: str
    target: str
    region: str
    scores: TranslationScores
    seconds: float

    @property
    def cell(self) -> str:
        """Name of the cell."""
        return cell_name(self.source, self.target)

    @property
    def values(self) -> dict[str, float]:
        """One number per entry of ``METRICS``."""
        return {**asdict(self.scores), "seconds": self.seconds}


def summarise(rows: Sequence[CellScore], metrics: Sequence[str] = tuple(METRICS)) -> dict[str, Any]:
    """Compute method -> region -> cell -> metric -> mean and (sample) standard deviation over the subjects.

    The entry ``all`` of a region is the mean over its cells, each counting once. A metric that is undefined or infinite
    for any subject has None: a mean over the other subjects could not be compared with another method's.
    """
    groups: dict[str, dict[str, dict[str, list[dict[str, float]]]]] = {}
    for row in rows:
        regions = groups.setdefault(row.method, {})
        regions.setdefault(row.region, {}).setdefault(row.cell, []).append(row.values)
    return {
        method: {region: _summarise_region(cells, metrics) for region, cells in regions.items()}
        for method, regions in groups.items()
    }


def _summarise_region(cells: Mapping[str, Sequence[Mapping[str, float]]], metrics: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        cell: {"num_subjects": len(values), **{name: _spread([one[name] for one in values]) for name in metrics}}
        for cell, values in cells.items()
    }
    means = {name: [entry[name]["mean"] for entry in result.values()] for name in metrics}
    result[ALL] = {
        name: {"mean": None if None in values else float(np.mean(values)), "std": None}
        for name, values in means.items()
    }
    return result


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return {"mean": None, "std": None}
    return {"mean": float(array.mean()), "std": float(array.std(ddof=1)) if array.size > 1 else None}


def subject_scores(rows: Sequence[CellScore], metrics: Sequence[str] = tuple(METRICS)) -> dict[str, Any]:
    """List all scores as participant -> method -> region -> cell -> metric -> value."""
    subjects: dict[str, Any] = {}
    for row in rows:
        regions = subjects.setdefault(row.participant_id, {}).setdefault(row.method, {})
        regions.setdefault(row.region, {})[row.cell] = {name: row.values[name] for name in metrics}
    return subjects


def last_complete_method(rows: Sequence[CellScore]) -> str:
    """Name of the last method that makes every cell; at least the copy does."""
    cells: dict[str, set[str]] = {}
    for row in rows:
        cells.setdefault(row.method, set()).add(row.cell)
    return [method for method, made in cells.items() if made == cells[COPY]][-1]


def middle_subject(rows: Sequence[CellScore], method: str) -> str:
    """Subject with the median PSNR (mean over its cells) of a method, among those with most cells; of two the lower."""
    psnr: dict[str, list[float]] = {}
    for row in rows:
        if row.method == method and row.region == BRAIN:
            psnr.setdefault(row.participant_id, []).append(row.scores.psnr)
    most = max(map(len, psnr.values()))
    means = {name: float(np.mean(values)) for name, values in psnr.items() if len(values) == most}
    return sorted(means, key=means.__getitem__)[(len(means) - 1) // 2]


def write_scores(
    path: str | os.PathLike[str], rows: Sequence[CellScore], metrics: Sequence[str] = tuple(METRICS)
) -> None:
    """Write the table of all rows; undefined and infinite values are n/a."""
    keys = ("participant_id", "method", "source", "target", "region")
    lines = ["\t".join([*keys, *metrics])]
    for row in rows:
        values = [row.values[name] for name in metrics]
        cells = [format_cell(float(f"{value:.6g}") if math.isfinite(value) else None) for value in values]
        lines.append("\t".join([*(getattr(row, key) for key in keys), *cells]))
    atomic_write(path, "".join(f"{line}\n" for line in lines))
