"""The published table of a generator: sets of several samplers and models, made and measured in one run."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from brain_bundles.bundle.bundle import Bundle
from brain_bundles.data.covariates import CONTINUOUS
from brain_bundles.data.participants import SPLITS, read_participants, write_participants
from brain_bundles.evaluation.features.report import TITLES
from brain_bundles.evaluation.generated import evaluate_generated
from brain_bundles.evaluation.tables import cell, finite_json, table
from brain_bundles.utils.atomic import atomic_write, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One generated set.

    Attributes:
        name: name in the table, and of its folder.
        options: keys of the configs, such as ``sampler`` and ``num_inference_steps``.
        overlays: files in the bundle's ``configs`` over inference.json, such as ``baseline_inference.json``.
        conditional: the set has the conditions of the reference; False for models without conditions.
        num_samples: brains of this row; None for the number of the table.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    overlays: Sequence[str] = ()
    conditional: bool = True
    num_samples: int | None = None


def evaluate_rows(
    bundle_root: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]],
    reference_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    num_samples: int = 512,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    **evaluation: Any,
) -> list[dict[str, Any]]:
    """Generate the set of each row and compare it with the reference; write rows.json and rows.md.

    It runs configs, so it is no component that a config may call: the verifier could not judge such a config.

    A row's brains are in ``output_dir/NAME/generated`` and its own report is beside them. A stopped run goes on.

    Args:
        bundle_root: folder of the generator's bundle.
        rows: arguments of a :class:`Row` for each row.
        reference_dir: BIDS dataset to compare with; its held-out people, see :func:`evaluate_generated`, give the
            conditions, in their order, again from the first if there are too few.
        output_dir: folder of the results.
        num_samples: brains of a row.
        seed: seed of all rows.
        options: keys of the configs for all rows, such as ``ckpt_dir`` and ``device``.
        **evaluation: options of :func:`evaluate_generated`.

    Returns:
        name, settings, seconds a brain (None if nothing was left to make) and metrics of each row, as in rows.json.

    Raises:
        ValueError: for rows of one name, or an option that is no key of the configs.
    """
    parsed = [Row(**row) for row in rows]
    if len({row.name for row in parsed}) < len(parsed):
        raise ValueError(f"rows have the names {', '.join(row.name for row in parsed)}; give each its own.")
    out = Path(output_dir)
    results = []
    for row in parsed:
        number = row.num_samples or num_samples
        given: dict[str, Any] = {**(options or {}), **row.options, "seed": seed}
        bundle = Bundle(bundle_root, overlays=row.overlays, **given)
        if row.conditional:
            conditions = out / f"conditions_{number}"
            write_participants(conditions, _conditions(reference_dir, number))
            given = {"conditions": str(conditions / "participants.tsv")}
        else:
            given = {"num_samples": number}
        logger.info("%s: %d brains", row.name, number)
        folder = out / row.name
        missing = number - len(list((folder / "generated").glob("sub-*/anat/*.nii.gz")))
        start = time.perf_counter()
        bundle.run(folder / "generated", **given)
        seconds = (time.perf_counter() - start) / missing if missing > 0 else None
        metrics = evaluate_generated(folder / "generated", reference_dir, folder, seed=seed, **evaluation)
        about = {**asdict(row), "num_samples": number, "seed": seed, "seconds": seconds, "metrics": metrics}
        results.append(finite_json(about))
        write_json(out / "rows.json", {"rows": results})
        atomic_write(out / "rows.md", rows_table(results))
    logger.info("%s\n%s", out / "rows.md", rows_table(results))
    return results


def rows_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The rows as one Markdown table, and below it what real brains reach at equal numbers."""
    header = ["set", "N", *TITLES.values(), "MS-SSIM", "4-G-R-SSIM", "power", "nearer than held out"]
    header += ["ventricles r", "brain r", "age r", "partial r of age", "seconds"]
    lines = table(header, [_cells(row) for row in results])
    for row in results:
        if found := row["metrics"]["features"]:
            equal = found["equal"]
            real = ", ".join(f"{TITLES[key]} {cell(equal['real'][key][0], '.3g')}" for key in TITLES)
            lines.append(f"- {row['name']}, real against real at N = {equal['num']}: {real}.")
    lines.append("- Distances depend on N: compare rows of one N.")
    return "\n".join([*lines, ""])


def _cells(row: Mapping[str, Any]) -> list[str]:
    metrics = row["metrics"]
    features, structure = metrics["features"], metrics["four_gr_ssim"]
    similarity, nearest, fidelity = (metrics[key] for key in ("ms_ssim", "memorisation", "fidelity"))
    return [
        row["name"],
        str(row["num_samples"]),
        *(cell(features["values"][key] if features else None, ".3g") for key in TITLES),
        cell(similarity["generated"] and similarity["generated"]["mean"], ".3f"),
        cell(structure and structure["between"]["mean"], ".3f"),
        ", ".join(cell(ratio, ".2f") for ratio in metrics["power_ratio"] or [None]),
        cell(nearest and nearest["share_above"], ".1%"),
        *(cell(fidelity.get(name, {}).get("pearson_r"), ".3f") for name in ("ventricular_volume", "brain_volume")),
        *_age(metrics["readings"]),
        cell(row["seconds"], ".2f"),
    ]


def _age(readings: Mapping[str, Any] | None) -> list[str]:
    found = (readings or {}).get("age", {})
    return [cell(found.get(key), ".3f") for key in ("pearson_r", "partial_r")]


def _conditions(folder: str | os.PathLike[str], number: int) -> list[dict[str, Any]]:
    """Conditions of the held-out people of a dataset, ``number`` rows."""
    people = read_participants(folder, ())
    of = {split: [row for row in people if row.get("split") == split] for split in SPLITS}
    held_out = of["test"] or of["val"] or people
    names = ("age", "sex", *(name for name in CONTINUOUS if name != "age" and name in held_out[0]))
    return [
        {"participant_id": f"sub-{i:04d}", **{name: row[name] for name in names}}
        for i, row in enumerate(islice(cycle(held_out), number), start=1)
    ]
