"""Markdown tables of several sets that were compared with one reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from brain_bundles.evaluation.features.report import TITLES
from brain_bundles.evaluation.tables import cell, interval_cell, table
from brain_bundles.metrics.power_bands import BANDS

Found = Mapping[str, Any]
FIDELITY = {"pearson_r": ".3f", "slope": ".3f", "mean_error": "+.2f", "mean_absolute_error": ".2f"}
METHODS = {"fidelity": "classical", "readings": "segmenter"}  # where metrics have what -> who measured it


def rows_table(results: Sequence[Found]) -> str:
    """Rows of :func:`brain_bundles.bundle.evaluate_rows` as tables: likeness, conditions, likeness at equal numbers.

    In brackets are intervals of 95 %. Below stand the values that real brains reach at equal numbers, and the settings
    and the seed of each row.
    """
    lines = ["## Likeness to the reference", "", *table(*_likeness(results))]
    lines += ["## Requested or known against measured", "", *table(*_conditions(results))]
    for number in sorted({int(n) for row in results for n in row["metrics"]["equal_features"]}):
        lines += [f"## Distances between features, the first {number} of both sets", ""]
        lines += table(*_equal(results, str(number)))
    lines += ["## How the rows were made", ""]
    for row in results:
        made = f"images of {row['images']}" if row["images"] else json.dumps(dict(row["options"]), default=str)
        over = f", over {', '.join(row['overlays'])}" if row["overlays"] else ""
        lines.append(f"- {row['name']}: N = {row['num_samples']}, seed {row['seed']}, {made}{over}.")
        if found := row["metrics"]["features"]:
            real = ", ".join(f"{TITLES[key]} {cell(found['equal']['real'][key][0], '.3g')}" for key in TITLES)
            lines.append(f"  Real against real at N = {found['equal']['num']}: {real}.")
    if encoders := _encoders(results):
        lines.append(f"- Encoder of the features: {'; '.join(encoders)}. Distances depend on N: compare rows of one N.")
    return "\n".join([*lines, ""])


def _likeness(results: Sequence[Found]) -> tuple[list[str], list[list[str]]]:
    others = max((len(row["metrics"]["other_features"]) for row in results), default=0)
    names = [_other_name(results, index) for index in range(others)]
    header = ["set", "N", "N reference", *TITLES.values()]
    header += [f"{TITLES[key]} by {name}" for name in names for key in ("frechet_distance", "kernel_distance")]
    header += ["MS-SSIM", "4-G-R-SSIM within", "4-G-R-SSIM, reference first", "4-G-R-SSIM, set first"]
    header += [f"power {low:.2f} to {high:.2f}" for low, high in BANDS]
    header += ["variance within conditions", "nearer than held out", "seconds a brain"]
    return header, [_likeness_row(row, others) for row in results]


def _likeness_row(row: Found, others: int) -> list[str]:
    metrics = row["metrics"]
    structure, similarity, nearest = (metrics[key] for key in ("four_gr_ssim", "ms_ssim", "memorisation"))
    other = [*metrics["other_features"], *[None] * others][:others]
    variance = metrics["conditional_variance"]
    between = structure and structure["between"]
    ratios, power_ends = (metrics[key] or [None] * len(BANDS) for key in ("power_ratio", "power_intervals"))
    return [
        row["name"],
        str(metrics["num_generated"]),
        str(metrics["num_reference"]),
        *_distances(metrics["features"]),
        *(cell(found and found["values"][key], ".3g") for found in other for key in list(TITLES)[:2]),
        _mean(similarity["generated"]),
        _mean(structure and structure["generated"]),
        cell(between and between["backward"], ".3f"),
        cell(between and between["forward"], ".3f"),
        *(interval_cell(*one, ".2f") for one in zip(ratios, power_ends, strict=True)),
        interval_cell(variance["ratio"], variance["interval"], ".2f") if variance else "n/a",
        interval_cell(nearest["share_above"], nearest["share_above_interval"], ".1%") if nearest else "n/a",
        cell(row["seconds"], ".2f"),
    ]


def _mean(found: Found | None) -> str:
    return interval_cell(found["mean"], found["interval"], ".3f") if found else "n/a"


def _distances(found: Found | None) -> list[str]:
    if found is None:
        return ["n/a"] * len(TITLES)
    ends = found["intervals"] or {}
    return [interval_cell(found["values"][key], ends.get(key), ".3g") for key in TITLES]


def _conditions(results: Sequence[Found]) -> tuple[list[str], list[list[str]]]:
    header = ["set", "condition", "measured by", "n", "r", "slope", "mean error", "mean absolute error"]
    lines = []
    for row in results:
        for where, method in METHODS.items():
            found = row["metrics"][where] or {}
            for name, one in found.items():
                ends = one.get("intervals", {})
                cells = [interval_cell(one[key], ends.get(key), form) for key, form in FIDELITY.items()]
                lines.append([row["name"], name.replace("_", " "), method, str(one["n"]), *cells])
                if one.get("partial_r") is not None:
                    given = f"{name}, given {', '.join(key.replace('_', ' ') for key in one['given'])}"
                    partial = interval_cell(one["partial_r"], ends.get("partial_r"), ".3f")
                    lines.append([row["name"], given, method, str(one["n"]), partial, "", "", ""])
    return header, lines


def _equal(results: Sequence[Found], number: str) -> tuple[list[str], list[list[str]]]:
    return ["set", *TITLES.values()], [
        [row["name"], *_distances(row["metrics"]["equal_features"].get(number))] for row in results
    ]


def _other_name(results: Sequence[Found], index: int) -> str:
    found = [row["metrics"]["other_features"][index : index + 1] for row in results]
    return next((one[0]["encoder"]["name"] for one in found if one and one[0]), "another encoder")


def _encoders(results: Sequence[Found]) -> list[str]:
    """Name and weights of each encoder, once."""
    sets = [found for row in results for found in (row["metrics"]["features"], *row["metrics"]["other_features"])]
    known = {found["encoder"]["name"]: found["encoder"]["weights"] for found in sets if found}
    return [f"{name}, weights {weights}" for name, weights in known.items()]
