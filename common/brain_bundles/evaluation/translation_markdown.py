"""Markdown report of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brain_bundles.evaluation.tables import cell, table
from brain_bundles.evaluation.translation_baselines import COPY, REGRESSION
from brain_bundles.evaluation.translation_cells import cell_name
from brain_bundles.evaluation.translation_subject import BRAIN
from brain_bundles.evaluation.translation_summary import ALL, METRICS
from brain_bundles.metrics.conventions import BRASYN, COLLECTION

_SLICES = ("sagittal", "coronal", "axial")
_CONVENTION_NOTES = {
    COLLECTION: "Convention `collection`: nothing is scaled before it is scored, so a wrong brightness counts.",
    BRASYN: (
        "Convention `brasyn`: every volume, the prediction too, was first scaled by its own percentiles 0.5 and 99.5. "
        "It forgives a wrong brightness."
    ),
}
Report = Mapping[str, Any]


def translation_markdown(report: Report) -> str:
    """Format the report of :func:`compare_translations` as tables.

    They show the overview, each cell if there are several, what the methods cost, and the contrasts that the
    predictions are nearest to.
    """
    cells, contrasts = report["cells"], ", ".join(report["contrasts"])
    lines = [
        f"# Translation {f'of {cells[0]}' if len(cells) == 1 else f'between {contrasts}'}",
        "",
        f"{report['num_subjects']} subjects; ↓ lower is better, ↑ higher is better.",
        "",
        *overview_markdown(report),
    ]
    if len(cells) > 1:
        lines += _psnr_matrices(report)
        for region in _regions(report):
            for name in cells:
                lines += _methods_table(report, region, name)
    lines += _costs_table(report)
    lines += _nearest_contrasts(report)
    return "\n".join([*lines, *(f"- {note}" for note in _notes(report)), ""])


def overview_markdown(report: Report) -> list[str]:
    """Lines with one table per region: the scores of the only cell, or the mean over the cells."""
    cells = report["cells"]
    entry = cells[0] if len(cells) == 1 else ALL
    return [line for region in _regions(report) for line in _methods_table(report, region, entry)]


def _regions(report: Report) -> list[str]:
    return list(dict.fromkeys(region for regions in report["methods"].values() for region in regions))


def _methods_table(report: Report, region: str, entry: str) -> list[str]:
    """Title and table of one cell in a region, or of the mean over the cells, with a row per method."""
    found = {method: regions[region] for method, regions in report["methods"].items() if region in regions}
    found = {method: entries for method, entries in found.items() if entry in entries}
    if not found:
        return []
    if entry == ALL:
        first = {method: [method, str(len(entries) - 1)] for method, entries in found.items()}
        lines, header = [f"## Mean over the cells: {region}", ""], ["method", "cells"]
    else:
        first, header = {method: [method] for method in found}, ["method"]
        number = next(iter(found.values()))[entry]["num_subjects"]
        lines = [f"## {entry}: {region}", "", f"Mean ± standard deviation over {number} subjects.", ""]
    rows = [
        [*first[method], *(_with_spread(entries[entry][name], METRICS[name][1]) for name in report["metrics"])]
        for method, entries in found.items()
    ]
    return [*lines, *table([*header, *(METRICS[name][0] for name in report["metrics"])], rows)]


def _costs_table(report: Report) -> list[str]:
    """Title and table of what the methods with networks cost."""
    header = ["method", "parameters (M)", "operations (G)", "peak memory (MB)"]
    units = {"parameters": 1e6, "operations": 1e9, "memory": 1e6}
    rows = [
        [name, *(f"{costs[key] / unit:.2f}" for key, unit in units.items())] for name, costs in report["costs"].items()
    ]
    lead = ["## Costs", "", "Parameters of all networks; operations and peak memory of one volume.", ""]
    return [*lead, *table(header, rows)] if rows else []


def _psnr_matrices(report: Report) -> list[str]:
    """A table per method, source by target."""
    contrasts: Sequence[str] = report["contrasts"]
    lines: list[str] = []
    for method, regions in report["methods"].items() if "psnr" in report["metrics"] else ():
        cells = regions[BRAIN]
        rows = []
        for source in contrasts:
            entries = [cells.get(cell_name(source, target)) for target in contrasts]
            rows.append([source, *("" if one is None else _with_spread(one["psnr"], ".2f") for one in entries)])
        lines += [f"## PSNR (dB), source by target: {method}", "", *table(["source", *contrasts], rows)]
    return lines


def _nearest_contrasts(report: Report) -> list[str]:
    """A table per method, without the baselines: number of predictions of a target nearest to each contrast."""
    contrasts = report["contrasts"]
    lines: list[str] = []
    for method, targets in report["switch"].items():
        if method in (COPY, REGRESSION):
            continue
        rows = [
            [
                target,
                *(str(targets[target]["nearest"].get(name, 0)) for name in contrasts),
                targets[target]["on_average"],
            ]
            for target in contrasts
            if target in targets
        ]
        lines += [f"## Contrast whose intensities a prediction is nearest to: {method}", ""]
        lines += table(["asked for", *contrasts, "mean of all"], rows)
    return lines


def _notes(report: Report) -> list[str]:
    grid = " x ".join(str(n) for n in report["spatial_size"])
    spacing = " x ".join(f"{mm:g}" for mm in report["spacing"])
    kernel = report["ms_ssim_kernel_size"]
    slices = _SLICES[report["slice_axis"]]
    of_metrics = {
        "ssim": [
            f"SSIM has Gaussian windows of {report['ssim_kernel_size']} voxels a side.",
            "The SSIM of a region is the mean of the brain's SSIM map over the region's voxels.",
        ],
        "ms_ssim": [
            f"MS-SSIM has windows of {kernel} voxels a side.",
            f"It includes the air around the scored region, as 0, and needs {16 * kernel} voxels a side or more.",
        ],
        "nmse": ["NMSE is the squared error divided by the squared target."],
        "through_plane_error": [
            f"The through-plane error compares the steps between neighbouring {slices} slices with those of the target."
        ],
        "power_coarse": [
            "Power of detail at these cycles/mm is relative to the target's: 1 is as sharp as the target."
        ],
        "masked_volume_ssim": [
            "SSIM of masked volumes is BraSyn's: SSIM of the whole volumes, both 0 outside of the region.",
            "So the air counts as agreement.",
        ],
        "seconds": ["Seconds are the time of one call, divided by the number of its targets."],
    }
    return [
        f"Intensities are in [0, {report['data_range']:g}], on a grid of {grid} voxels of {spacing} mm.",
        _CONVENTION_NOTES[report["convention"]],
        f"Scores are computed in the brain: {report['mask']}.",
        *(note for name in report["metrics"] for note in of_metrics.get(name, ())),
        "The nearest contrast is the one whose quantiles of the brain's intensities are nearest to the prediction's.",
        "Its table counts the predictions of a target, from all sources; the last column is for their mean.",
        f"`{COPY}` is the source itself.",
        f"`{REGRESSION}` is the mean target intensity given the source intensity, voxel by voxel.",
        f"It is fitted to {report['num_train_subjects']} training subjects.",
        "n/a: undefined or infinite for at least one subject.",
    ]


def _with_spread(entry: Mapping[str, float | None], form: str) -> str:
    mean = cell(entry["mean"], form)
    return mean if entry["std"] is None else f"{mean} ± {cell(entry['std'], form)}"
