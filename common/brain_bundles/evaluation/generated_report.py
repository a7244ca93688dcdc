"""Report of an evaluation: Markdown tables and a scatter plot. matplotlib comes with the extra ``report``."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.utils import optional_import

from brain_bundles.evaluation.features.report import TITLES
from brain_bundles.evaluation.measurement import VOLUMES, Measurement
from brain_bundles.evaluation.tables import cell, interval_cell, table
from brain_bundles.metrics.fidelity import requested_vs_measured
from brain_bundles.metrics.power_bands import BANDS
from brain_bundles.utils.atomic import atomic_write


def markdown(metrics: Mapping[str, Any]) -> str:
    """Format the metrics of :func:`brain_bundles.evaluation.generated.evaluate_generated` as tables."""
    split = f' (split "{metrics["reference_split"]}")' if metrics["reference_split"] else ""
    counts = (
        f"{metrics['num_generated']} generated brains, {metrics['num_reference']} reference brains{split}; "
        f"{metrics['num_unmeasured']} generated brains could not be measured."
    )
    if metrics["num_resamples"]:
        counts += f" In brackets: intervals of 95 %, from {metrics['num_resamples']} draws."
    lines = ["# Evaluation", "", counts, "", "## Requested against measured (mL)", ""]
    lines += _fidelity(metrics["fidelity"])
    if readings := metrics["readings"]:
        lines += ["## Requested against read by the segmenter (mL, years)", "", *_fidelity(readings)]
        for name, one in readings.items():
            if "partial_r" in one:
                partial = interval_cell(one["partial_r"], one.get("intervals", {}).get("partial_r"), ".3f")
                given = ", ".join(key.replace("_", " ") for key in one["given"])
                lines += [f"Partial r of {name} given what was asked for of {given}: {partial}.", ""]
    lines += ["## Diversity: MS-SSIM between different brains", ""]
    lines += table(
        ["set", "mean", "standard deviation", "pairs", "kernel size"],
        [
            [
                name,
                interval_cell(s["mean"], s["interval"], ".4f"),
                cell(s["std"], ".4f"),
                str(s["num_pairs"]),
                str(s["kernel_size"]),
            ]
            for name, s in metrics["ms_ssim"].items()
            if s
        ],
    )
    if v := metrics["conditional_variance"]:
        shares = " and ".join(
            f"{cell(v[one]['share'], '.2f')} of the variance of the {one} brains" for one in ("generated", "reference")
        )
        ratio = interval_cell(v["ratio"], v["interval"], ".2f")
        said = f"Variance among brains of equal age, sex and volumes, relative to the reference's: {ratio}."
        lines += [f"{said} These conditions leave {shares}.", ""]
    lines += _features(metrics)
    if m := metrics["memorisation"]:
        lines += ["## Memorisation: correlation with the nearest training brain", ""]
        lines += table(
            ["set", "mean", "max"],
            [
                ["generated", cell(m["generated_mean"], ".3f"), cell(m["generated_max"], ".3f")],
                ["held out", cell(m["held_out_mean"], ".3f"), cell(m["held_out_max"], ".3f")],
            ],
        )
        share = interval_cell(m["share_above"], m["share_above_interval"], ".1%")
        reading = (
            f"{share} of the generated brains are nearer to one of {m['num_training']} training brains "
            f"than 95 % of the held-out brains are ({m['threshold']:.3f}). Closest pair: {m['closest_generated']} and "
            f"{m['closest_training']}."
        )
        lines += [reading, ""]
    if metrics["samplers"]:
        lines += ["## Samplers, against the last row from the same noise", ""]
        lines += table(
            ["sampler", "steps", "seconds per sample", "latent error", "image error"],
            [
                [
                    row["sampler"],
                    str(row["num_inference_steps"]),
                    cell(row["seconds_per_sample"], ".2f"),
                    cell(row["latent_error"], ".4f"),
                    cell(row["image_error"], ".4f"),
                ]
                for row in metrics["samplers"]
            ],
        )
    return "\n".join(lines)


def _fidelity(fidelity: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each condition: what was found of what was asked for."""
    return table(
        ["condition", "n", "not measured", "r", "mean error", "relative", "mean absolute error", "slope", "intercept"],
        [
            [
                name.replace("_", " "),
                str(f["n"]),
                str(f["n_unmeasured"]),
                *(
                    interval_cell(f[key], f.get("intervals", {}).get(key), form)
                    for key, form in (
                        ("pearson_r", ".3f"),
                        ("mean_error", "+.2f"),
                        ("mean_relative_error", "+.1%"),
                        ("mean_absolute_error", ".2f"),
                        ("slope", ".3f"),
                        ("intercept", "+.2f"),
                    )
                ),
            ]
            for name, f in fidelity.items()
        ],
    )


def _features(metrics: Mapping[str, Any]) -> list[str]:
    """Likeness to the reference: power of fine detail, distances between features, 4-G-R-SSIM."""
    lines: list[str] = []
    if ratio := metrics["power_ratio"]:
        bands = ", ".join(f"{low:.2f} to {high:.2f}" for low, high in BANDS)
        lines += ["## Fine detail", ""]
        ends = metrics["power_intervals"] or [None] * len(ratio)
        shown = ", ".join(interval_cell(*one, ".2f") for one in zip(ratio, ends, strict=True))
        lines += [f"Power relative to the reference at {bands} cycles/mm: {shown}.", ""]
    if found := metrics["features"]:
        lines += ["## Distances between features", ""]
        sets = [
            ("generated, equal N", *[found["equal"]["num"]] * 2, found["equal"]["compared"]),
            ("real against real, equal N", *[found["equal"]["num"]] * 2, found["equal"]["real"]),
        ]
        ends = found["intervals"] or {}
        cells = [interval_cell(found["values"][key], ends.get(key), ".3g") for key in TITLES]
        rows = [["generated", str(found["num_reference"]), str(found["num_compared"]), *cells]]
        rows += [
            [name, str(a), str(b), *(cell(values[key][0], ".3g") for key in TITLES)] for name, a, b, values in sets
        ]
        lines += table(["set", "N reference", "N", *TITLES.values()], rows)
        encoder = found["encoder"]
        lines += [f"Encoder: {encoder['name']}, weights {encoder['weights']}. Every column depends on N.", ""]
    if found := metrics["four_gr_ssim"]:
        lines += ["## 4-G-R-SSIM", ""]
        columns = ("mean", "std", "forward", "backward")
        lines += table(
            ["pairs", *columns, "number"],
            [
                [
                    name,
                    interval_cell(one["mean"], one["interval"], ".4f"),
                    *(cell(one[key], ".4f") for key in columns[1:]),
                    str(one["num_pairs"]),
                ]
                for name, one in found.items()
            ],
        )
    return lines


def draw_requested_vs_measured(path: str | os.PathLike[str], measurements: Sequence[Measurement]) -> None:
    """Draw a scatter plot per volume with the identity line and the fitted line, as PNG.

    Raises:
        OptionalImportError: if matplotlib is missing.
    """
    hint = "{}: the picture of the evaluation needs it; install it with: pip install matplotlib"
    figure_class, _ = optional_import("matplotlib.figure", name="Figure", descriptor=hint)
    figure = figure_class(figsize=(9.6, 4.8), layout="constrained")  # no pyplot: no global state, no display needed
    for axes, name in zip(figure.subplots(1, 2), VOLUMES, strict=True):
        x = np.array([getattr(m.recorded, name) for m in measurements])
        y = np.array([getattr(m.measured, name) for m in measurements])
        fit = requested_vs_measured(x, y)
        known = np.isfinite(x) & np.isfinite(y)
        correlation = f", r = {fit.pearson_r:.3f}" if math.isfinite(fit.pearson_r) else ""
        axes.set_title(f"{name.replace('_', ' ')}: n = {fit.n}{correlation}")
        axes.set_xlabel("requested (mL)")
        axes.set_ylabel("measured (mL)")
        axes.set_aspect("equal", adjustable="datalim")
        if not known.any():
            continue
        ends = np.array([min(x[known].min(), y[known].min()), max(x[known].max(), y[known].max())])
        axes.plot(ends, ends, color="0.6", linewidth=1, label="identity")
        if math.isfinite(fit.slope):
            span = np.array([x[known].min(), x[known].max()])
            label = f"slope {fit.slope:.2f}"
            axes.plot(span, fit.slope * span + fit.intercept, color="C1", linewidth=1, label=label)
        axes.scatter(x[known], y[known], s=12, color="C0")
        axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    atomic_write(path, buffer.getvalue())
