"""The data card of a synthetic data set: its README, with the figures of the models' own evaluations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brain_bundles.bundle.bundle import Bundle
from brain_bundles.data.covariates import CONTINUOUS, UNITS
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.metrics.fidelity import requested_vs_measured
from brain_bundles.synthesis.checksums import SUMS
from brain_bundles.synthesis.models import FIXED, SEGMENTED, Models
from brain_bundles.synthesis.plan import Plan
from brain_bundles.synthesis.quality import GOOD, LIMITS
from brain_bundles.version import __version__


def data_card(title: str, rows: Sequence[Mapping[str, Any]], plan: Plan, models: Models) -> str:
    """Markdown that says what the brains are, how they were made, how good they are and what they are not for.

    The table of volumes is computed from the rows. What is said of a model is quoted from the card in its bundle, so a
    figure stands here if it was published with the weights.

    Args:
        title: first line.
        rows: rows of participants.tsv, as they were made or as text.
        plan: the whole set.
        models: the models.
    """
    parts = [
        f"# {title}",
        f"{len(rows)} synthetic brains. Nobody was scanned: each image is a sample of a generative model.",
        f"## What is in it\n\n{_contents(models)}",
        f"## Conditions\n\n{_conditions(rows, models)}",
        f"## Volumes and quality\n\n{_quality(rows)}",
        f"## How it was made\n\n{_origin(plan, models)}",
    ]
    for bundle in models.bundles:
        parts += _about(bundle)
    return "\n\n".join(parts) + "\n"


def section(card: str, title: str) -> str | None:
    """Text of a section ``## title`` of a bundle's card, None where it has no such section."""
    found = re.search(rf"^## {re.escape(title)}\s*\n(.*?)(?=^## |\Z)", card, flags=re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else None


def _contents(models: Models) -> str:
    others = f"; made from it: {', '.join(models.targets)}" if models.targets else ""
    size = " x ".join(map(str, models.spatial_size))
    lines = [
        f"- one {models.suffix} of each brain, brain-extracted, {size} voxels{others}",
        "- `participants.tsv`: conditions, seed, measured volumes, quality; `participants.json` explains the columns",
        f"- `{SUMS}`: `sha256sum -c {SUMS}` checks the files",
    ]
    if models.segmenter is not None:
        lines.append(f"- `{SEGMENTED.as_posix()}`: brain mask, structures and their volumes, found by a network")
    return "\n".join(lines)


def _conditions(rows: Sequence[Mapping[str, Any]], models: Models) -> str:
    women = sum(row.get("sex") == "F" for row in rows)
    fixed = ", ".join(f"{name} {value}" for name, value in models.settings[models.generator.name][FIXED].items())
    origin = (
        f"Fixed: {fixed}. The rest is drawn from the population, given these."
        if fixed
        else "Drawn from the population."
    )
    lines = [
        f"{origin} {women} women, {len(rows) - women} men.",
        "",
        "| condition | mean | smallest | largest |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in CONTINUOUS:
        values = _column(rows, name)
        lines.append(
            f"| {name.replace('_', ' ')}, {UNITS[name]} | {values.mean():.1f} | {values.min():g} | {values.max():g} |"
        )
    return "\n".join(lines)


def _quality(rows: Sequence[Mapping[str, Any]]) -> str:
    doubtful = sum(row.get("quality") != GOOD for row in rows)
    limits = ", ".join(
        f"the {name.replace('_', ' ')} is more than {100 * share:g} %"
        + (f" and {ml:g} mL" if ml else "")
        + " off what was asked for"
        for name, (share, ml) in LIMITS.items()
    )
    flagged = f"{doubtful} of {len(rows)} brains are flagged: a volume cannot be measured, {limits}, or something that"
    lines = [
        f"{flagged} was to be made of the brain is missing or of low quality. The reason stands in the table.",
        "",
        "| volume, mL | n | not measured | r | slope | mean error | mean absolute error |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in VOLUMES:
        found = requested_vs_measured(_column(rows, name), _column(rows, f"measured_{name}"))
        cells = [found.pearson_r, found.slope, found.mean_error, found.mean_absolute_error]
        shown = " | ".join("n/a" if value != value else f"{value:.3f}" for value in cells)
        lines.append(f"| {name.replace('_', ' ')} | {found.n} | {found.n_unmeasured} | {shown} |")
    return "\n".join(lines)


def _origin(plan: Plan, models: Models) -> str:
    lines = [
        f"`brain-bundles synthesise` {__version__}, seed {plan.seed}. A brain depends on seed and number alone.",
        "",
        "| bundle | version | settings and hashes of the weights |",
        "| --- | --- | --- |",
    ]
    for bundle in models.bundles:
        settings = models.settings[bundle.name]
        wanted = ("autoencoder", "network", "num_inference_steps", "precision")
        shown = ", ".join(f"{key} `{settings[key]}`" for key in wanted if key in settings)
        lines.append(f"| {bundle.name} | {bundle.metadata['version']} | {shown} |")
    return "\n".join(lines)


def _about(bundle: Bundle) -> list[str]:
    """What the bundle's card says of its use, its figures and its limits, and the licence of its data."""
    parts = [f"## {bundle.name}"]
    card = _text(bundle.root / "docs" / "README.md")
    for title in ("Intended use", "Performance", "Limitations", "License"):
        text = section(card, title) or f"The card of {bundle.name} has no such section."
        parts.append(f"### {title}\n\n{text}")
    if terms := _text(bundle.root / "docs" / "data_license.txt").strip():
        parts.append(f"### Data behind the weights\n\n{terms}")
    return parts


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    return np.array([float("nan") if row.get(name) is None else float(row[name]) for row in rows])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
