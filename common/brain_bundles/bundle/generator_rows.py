"""The published table of a generator: sets of several samplers, models and folders, measured against one reference."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from brain_bundles.bundle.bundle import Bundle
from brain_bundles.data.covariates import CovariateScaler
from brain_bundles.data.participants import SPLITS, read_participants, write_participants
from brain_bundles.evaluation.generated import Columns, evaluate_set
from brain_bundles.evaluation.image_sets import Grid, Reference, read_reference
from brain_bundles.evaluation.measurement import find_images
from brain_bundles.evaluation.rows_report import rows_table
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.runs.run_record import RUN_FILE
from brain_bundles.utils.atomic import atomic_write, write_json
from brain_bundles.utils.fingerprint import file_fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One set of brains.

    Attributes:
        name: name in the table, and of its folder.
        options: keys of the configs, such as ``sampler`` and ``num_inference_steps``.
        overlays: files in the bundle's ``configs`` over inference.json, such as ``baseline_inference.json``.
        conditional: the set has the conditions of the reference; False for models without conditions.
        num_samples: brains of this row; None for the number of the table.
        images: a BIDS dataset or a folder of NIfTI files to measure instead; nothing is generated.
        real: ``images`` are no generator's, see :func:`brain_bundles.evaluation.generated.evaluate_set`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    overlays: Sequence[str] = ()
    conditional: bool = True
    num_samples: int | None = None
    images: str | None = None
    real: bool = True


def evaluate_rows(
    bundle_root: str | os.PathLike[str],
    rows: Sequence[Mapping[str, Any]],
    reference_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    num_samples: int = 512,
    options: Mapping[str, Any] | None = None,
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
    columns: Columns | None = None,
) -> list[dict[str, Any]]:
    """Make the set of each row and compare it with the reference; write rows.json and rows.md.

    It runs configs, so it is no component that a config may call: the verifier could not judge such a config.

    A row's brains are in ``output_dir/NAME/generated`` and its own report is beside them. The reference is measured
    once for all rows. A stopped call goes on: with the brain that is missing, and after the rows that were measured.

    Args:
        bundle_root: folder of the generator's bundle. Its weights say on which grid and scale all is compared.
        rows: arguments of a :class:`Row` for each row.
        reference_dir: BIDS dataset to compare with: its first ``num_samples`` held-out people, see
            :func:`~brain_bundles.evaluation.image_sets.held_out_images`. They give the conditions, in their order,
            again from the first if there are too few.
        output_dir: folder of the results.
        num_samples: brains of a row.
        options: keys of the configs for all rows, such as ``ckpt_dir`` and ``device``.
        entities, strict: choice and check of the reference, see :func:`read_reference`.
        columns: what is measured. Its seed is that of all rows, and all rows are compared by features at the numbers
            of brains of the smaller ones, too.

    Returns:
        name, options, settings as they were run with hashes of the weights, seconds a brain (both None for images that
        are not made here) and metrics of each row, as in rows.json.

    Raises:
        ValueError: for rows of one name, an unknown part of a row, or an option that is no key of the configs.
        FileNotFoundError: without the weights of a row, or a folder.
    """
    if unknown := {key for row in rows for key in row} - set(Row.__dataclass_fields__):
        known = ", ".join(Row.__dataclass_fields__)
        raise ValueError(f"rows have {', '.join(sorted(unknown))}; a row may have {known}.")
    parsed = [Row(**row) for row in rows]
    if len({row.name for row in parsed}) < len(parsed):
        raise ValueError(f"rows have the names {', '.join(row.name for row in parsed)}; give each its own.")
    columns = columns or Columns()
    numbers = [row.num_samples or num_samples for row in parsed]
    smaller = {n for n in numbers if n < max(numbers)}
    columns = replace(columns, equal_numbers=sorted({*columns.equal_numbers, *smaller}))
    out, shared = Path(output_dir), {**(options or {}), "seed": columns.seed}
    names = (*Grid.__dataclass_fields__, "suffix", "bounds", "head_size_reference")
    *grid, suffix, bounds, head_size = Bundle(bundle_root, **shared).content(*names)
    covariates = CovariateScaler(bounds, head_size).names
    choice: dict[str, Any] = {"entities": entities, "strict": strict, "most": num_samples}
    reference = read_reference(reference_dir, suffix, grid=Grid(*grid), **choice)
    results: list[dict[str, Any]] = []
    for row, number in zip(parsed, numbers, strict=True):
        folder = out / row.name
        if row.images is None:
            _generate(row, number, bundle_root, shared, out, _conditions(reference_dir, number, covariates))
        images = Path(row.images or folder / "generated")
        state = _state(row, number, shared, columns, reference, images, suffix)
        done = _read(folder / "row.json")
        if done.get("state") != state:
            how: dict[str, Any] = {"suffix": suffix, "real": row.images is not None and row.real, "most": number}
            metrics = evaluate_set(images, reference, folder, columns, **how)
            about = {**asdict(row), "num_samples": number, "seed": columns.seed, "options": {**shared, **row.options}}
            about |= {"settings": _read(images / RUN_FILE).get("settings"), "metrics": metrics}
            about["seconds"] = _read(folder / "seconds.json").get("seconds_per_brain")
            done = {"state": state, "row": _plain(about)}
            write_json(folder / "row.json", done)
        results.append(done["row"])
        write_json(out / "rows.json", {"rows": results})
        atomic_write(out / "rows.md", rows_table(results))
    logger.info("%s\n%s", out / "rows.md", rows_table(results))
    return results


def _generate(
    row: Row,
    number: int,
    bundle_root: str | os.PathLike[str],
    shared: Mapping[str, Any],
    out: Path,
    people: Sequence[Mapping[str, Any]],
) -> None:
    """Make what is missing of a row's set; note the seconds a brain, without those for loading the networks."""
    if row.conditional:
        conditions = out / f"conditions_{number}"
        write_participants(conditions, people)
        given: dict[str, Any] = {"conditions": str(conditions / "participants.tsv")}
    else:
        given = {"num_samples": number}
    logger.info("%s: %d brains", row.name, number)
    folder = out / row.name / "generated"
    missing = number - len(list(folder.glob("sub-*/anat/*.nii.gz")))
    times: list[float] = []
    bundle = Bundle(bundle_root, overlays=row.overlays, **{**shared, **row.options})
    bundle.run(folder, progress=lambda done, total: times.append(time.perf_counter()), **given)
    if missing > 0 and len(times) > 1:
        seconds = (times[-1] - times[0]) / missing
        write_json(out / row.name / "seconds.json", {"seconds_per_brain": seconds, "num_brains": missing})


def _state(
    row: Row,
    number: int,
    shared: Mapping[str, Any],
    columns: Columns,
    reference: Reference,
    images: Path,
    suffix: str,
) -> dict[str, Any]:
    """What a row's numbers depend on: a later call takes them over where this is the same."""
    run = _read(images / RUN_FILE)
    made = [path for _, path, _ in find_images(images, suffix)]
    paths = [*reference.training.paths, *reference.held_out.paths, *made]
    return _plain(
        {
            **asdict(row),
            "num_samples": number,
            "options": {**shared, **row.options},
            "columns": columns.settings(),
            "grid": asdict(reference.grid),
            "run": run.get("settings"),
            "files": hashlib.sha256("\n".join(map(file_fingerprint, paths)).encode()).hexdigest(),
        }
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back from JSON."""
    return json.loads(json.dumps(finite_json(content), default=str))


def _conditions(folder: str | os.PathLike[str], number: int, covariates: Sequence[str]) -> list[dict[str, Any]]:
    """Conditions of the held-out people of a dataset, those of ``covariates`` that it has, ``number`` rows."""
    people = read_participants(folder, ())
    of = {split: [row for row in people if row.get("split") == split] for split in SPLITS}
    held_out = of["test"] or of["val"] or people
    names = [name for name in covariates if name in held_out[0]]
    return [
        {"participant_id": f"sub-{i:04d}", **{name: row[name] for name in names}}
        for i, row in enumerate(islice(cycle(held_out), number), start=1)
    ]
