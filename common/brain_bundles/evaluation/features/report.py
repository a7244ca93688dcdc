"""Comparisons of features as a Markdown table and as files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from brain_bundles.evaluation.features.comparison import FRECHET, KERNEL, METRICS, FeatureComparison
from brain_bundles.evaluation.features.encoder import EncoderRecord
from brain_bundles.evaluation.tables import table
from brain_bundles.utils.atomic import atomic_write, write_json

TITLES = {
    FRECHET: "Fréchet ↓",
    KERNEL: "KID ↓",
    "precision": "precision ↑",
    "recall": "recall ↑",
    "density": "density ↑",
    "coverage": "coverage ↑",
}
HEADER = ("set", "encoder", "N reference", "N", *(TITLES[metric] for metric in METRICS))
_HASH_SHOWN = 12


def rows(comparison: FeatureComparison) -> list[list[str]]:
    """Rows of a table with :data:`HEADER`: all vectors, then both sets at equal numbers.

    Values have their standard error, or at equal numbers the standard deviation over the divisions.
    """
    equal, errors = comparison.equal, comparison.standard_errors
    overall = {metric: (comparison.values[metric], None if errors is None else errors[metric]) for metric in METRICS}
    encoder = f"{comparison.encoder.name} ({_short(comparison.encoder.weights)})"
    lines: list[tuple[str, int, int, Mapping[str, tuple[float, float | None]]]] = [
        (comparison.name, comparison.num_reference, comparison.num_compared, overall),
        (f"{comparison.name}, equal N", equal.num, equal.num, equal.compared),
        ("real against real, equal N", equal.num, equal.num, equal.real),
    ]
    return [
        [title, encoder, str(reference), str(compared), *(_cell(*shown[metric]) for metric in METRICS)]
        for title, reference, compared, shown in lines
    ]


def markdown(comparisons: Sequence[FeatureComparison]) -> str:
    """A table of several comparisons, and below it what the encoders are and how to read the numbers."""
    lines = table(HEADER, [row for one in comparisons for row in rows(one)])
    encoders: list[EncoderRecord] = []
    for encoder in (one.encoder for one in comparisons):
        if encoder in encoders:
            continue
        encoders.append(encoder)
        settings = ", ".join(f"{key} {value}" for key, value in encoder.settings.items())
        lines.append(
            f"- {encoder.name}: weights `{encoder.weights}`; {encoder.num_features} features; normalisation: "
            f"{encoder.normalisation}{f'; {settings}' if settings else ''}."
        )
    for k in sorted({one.k for one in comparisons}):
        lines.append(f"- Precision, recall, density and coverage by {k} neighbours.")
    lines.append(
        "- ± is a standard error over random halves of both sets; at equal N the standard deviation over random halves "
        "of the reference. Compare rows of one encoder and one N only: every column depends on N."
    )
    return "\n".join([*lines, ""])


def write_comparisons(output_dir: str | os.PathLike[str], comparisons: Sequence[FeatureComparison]) -> None:
    """Write features.json, whose ``comparisons`` has one entry for each, and features.md."""
    out = Path(output_dir)
    write_json(out / "features.json", {"comparisons": [one.as_json() for one in comparisons]})
    atomic_write(out / "features.md", markdown(comparisons))


def _short(weights: str) -> str:
    kind, _, digest = weights.rpartition(":")
    return f"{kind}:{digest[:_HASH_SHOWN]}" if kind else digest[:_HASH_SHOWN]


def _cell(value: float, error: float | None) -> str:
    shown = f"{value:.4g}"
    return shown if error is None or error != error else f"{shown} ± {error:.2g}"
