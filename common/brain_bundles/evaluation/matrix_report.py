"""The matrix of sources and targets for people: tables, a file of all scores, and a picture."""

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
from brain_bundles.evaluation.translation_report import COPY, REGRESSION
from brain_bundles.evaluation.translation_report import METRICS as SHARED_METRICS
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.visualize.montage import save_montage

METRICS = {
    **{name: SHARED_METRICS[name] for name in ("psnr", "ssim", "mae", "nmse")},
    "masked_volume_ssim": ("SSIM of masked volumes ↑", ".4f"),
}


@dataclass(frozen=True)
class CellScore:
    """What one method reached for one subject, source, target and region (brain, tumour, outside tumour)."""

    participant_id: str
    method: str
    source: str
    target: str
    region: str
    mae: float
    psnr: float
    ssim: float
    nmse: float
    masked_volume_ssim: float


def summarise_matrix(cells: Sequence[CellScore]) -> dict[str, Any]:
    """method -> region -> "source to target" -> metric -> mean and (sample) standard deviation over the subjects.

    The entry ``all`` of a region is the mean over its cells, each counting once. None where a number is undefined.
    """
    summary: dict[str, Any] = {}
    for method in dict.fromkeys(one.method for one in cells):
        of_method = [one for one in cells if one.method == method]
        for region in dict.fromkeys(one.region for one in of_method):
            rows = [one for one in of_method if one.region == region]
            result: dict[str, Any] = {}
            for key in dict.fromkeys((one.source, one.target) for one in rows):
                mine = [one for one in rows if (one.source, one.target) == key]
                result[" to ".join(key)] = {
                    "num_subjects": len(mine),
                    **{name: _spread([getattr(one, name) for one in mine]) for name in METRICS},
                }
            means = {name: [entry[name]["mean"] for entry in result.values()] for name in METRICS}
            result["all"] = {
                name: {"mean": None if None in values else float(np.mean(values)), "std": None}
                for name, values in means.items()
            }
            summary.setdefault(method, {})[region] = result
    return summary


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return {"mean": None, "std": None}
    return {"mean": float(array.mean()), "std": float(array.std(ddof=1)) if array.size > 1 else None}


def means_markdown(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown: for each region the mean over the cells, a row per method."""
    methods = metrics["methods"]
    lines: list[str] = []
    for region in dict.fromkeys(region for regions in methods.values() for region in regions):
        lines += [f"## Mean over the cells: {region}", ""]
        lines += table(
            ["method", "cells", *(title for title, _ in METRICS.values())],
            [
                [
                    method,
                    str(len(regions[region]) - 1),
                    *(cell(regions[region]["all"][name]["mean"], form) for name, (_, form) in METRICS.items()),
                ]
                for method, regions in methods.items()
                if region in regions
            ],
        )
        lines += [""]
    return lines


def matrix_markdown(metrics: Mapping[str, Any]) -> str:
    """The metrics of :func:`evaluate_matrix` as Markdown: the mean over cells per method, PSNR as a matrix, which
    contrast the predictions are nearest to, and every cell with its spread.
    """
    methods, contrasts = metrics["methods"], metrics["contrasts"]
    lines = [
        f"# Translation between {', '.join(contrasts)}",
        "",
        f"{metrics['num_subjects']} subjects; ↓ lower is better, ↑ higher is better.",
        "Intensities are in [0, 1]; scores are of the brain, where source or target is above 0.",
        "",
        *means_markdown(metrics),
    ]
    for method, regions in methods.items():
        lines += [f"## PSNR (dB), source by target: {method}", ""]
        rows = []
        for source in contrasts:
            row = [source]
            for target in contrasts:
                entry = regions["brain"].get(f"{source} to {target}")
                row.append("" if entry is None else _with_spread(entry["psnr"], ".2f"))
            rows.append(row)
        lines += [*table(["source", *contrasts], rows), ""]
    for method, targets in metrics["switch"].items():
        if method in (COPY, REGRESSION):
            continue
        lines += [f"## Contrast whose intensities a prediction is nearest to: {method}", ""]
        rows = [
            [
                target,
                *(str(targets[target]["nearest"].get(name, 0)) for name in contrasts),
                targets[target]["on_average"],
            ]
            for target in contrasts
            if target in targets
        ]
        lines += [*table(["asked for", *contrasts, "mean of all"], rows), ""]
    for method, regions in methods.items():
        for region, entries in regions.items():
            lines += [f"## Every cell: {method}, {region}", ""]
            rows = [
                [
                    key,
                    str(entry["num_subjects"]),
                    *(_with_spread(entry[name], form) for name, (_, form) in METRICS.items()),
                ]
                for key, entry in entries.items()
                if key != "all"
            ]
            lines += [*table(["source to target", "subjects", *(title for title, _ in METRICS.values())], rows), ""]
    lines += [
        "- Nearest is by the quantiles of the brain's intensities: how many predictions, of all sources, have those of",
        "  which of the subject's contrasts, and which contrast's the mean of all predictions has.",
        f"- `{COPY}` is the source itself.",
        f"- `{REGRESSION}` is the mean target intensity given the source's, voxel by voxel.",
        f"  It is fitted to {metrics['num_train_subjects']} training subjects.",
        "- SSIM of a region is the mean of the brain's SSIM map over its voxels. That of masked volumes is BraSyn's:",
        "  of the whole volumes, both multiplied by the mask of the region, so the air counts as agreement.",
        "- n/a: undefined or infinite for at least one subject.",
    ]
    return "\n".join([*lines, ""])


def _with_spread(entry: Mapping[str, float | None], form: str) -> str:
    text = cell(entry["mean"], form)
    return text if entry["std"] is None else f"{text} ± {entry['std']:{form}}"


def write_cells(path: str | os.PathLike[str], cells: Sequence[CellScore]) -> None:
    """Write a table with one row per score; n/a for what is undefined or infinite."""
    names = list(CellScore.__dataclass_fields__)
    lines = ["\t".join(names)]
    for one in cells:
        cells_of_row = []
        for value in asdict(one).values():
            if isinstance(value, float):
                value = float(f"{value:.6g}") if math.isfinite(value) else None
            cells_of_row.append(format_cell(value))
        lines.append("\t".join(cells_of_row))
    atomic_write(path, "".join(f"{line}\n" for line in lines))


def draw_matrix(
    path: str | os.PathLike[str],
    *,
    name: str,
    contrasts: Sequence[str],
    volumes: Mapping[str, torch.Tensor],
    predictions: Mapping[tuple[str, str], torch.Tensor],
    spacing: float,
) -> None:
    """A picture of one subject: a row per source, a column per target; the true volumes are on the diagonal.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    shown, labels = [], []
    for source in contrasts:
        for target in contrasts:
            true = source == target
            shown.append(volumes[source] if true else predictions[source, target])
            labels.append(f"{source} (true)" if true else f"{source} to {target}")
    save_montage(Path(path), shown, labels, title=name, spacing=[spacing] * 3, columns=len(contrasts))
