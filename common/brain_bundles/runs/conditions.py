"""The table of conditions of a sampling run, from a file or from a few fixed values."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brain_bundles.data.covariates import CONTINUOUS, HEAD_SIZE, CovariateScaler
from brain_bundles.data.participants import id_problems, parse_covariate, read_tsv
from brain_bundles.data.problems import DatasetError, raise_problems
from brain_bundles.phantom.heads.people import head_population
from brain_bundles.phantom.population import PopulationModel
from brain_bundles.utils.seeding import derive_seed
from brain_bundles.utils.user_warning import BrainBundlesWarning

# Drawn values are rounded to the precision of such measurements; given values stay as they are.
_DECIMALS: Mapping[str, int] = {"age": 1, "ventricular_volume": 2, "brain_volume": 1, "intracranial_volume": 1}


def make_condition_table(
    *,
    conditions: str | os.PathLike[str] | None = None,
    num_samples: int | None = None,
    age: float | None = None,
    sex: str | None = None,
    ventricular_volume: float | None = None,
    brain_volume: float | None = None,
    seed: int = 0,
    bounds: Mapping[str, Sequence[float]] | None = None,
    population: PopulationModel | None = None,
    intracranial_volume: float | None = None,
    head_size_reference: float | None = None,
    first_sample: int = 0,
) -> list[dict[str, str | float | int]]:
    """Make one row per sample, from a table or from ``num_samples`` and fixed values; missing values are drawn.

    Row i depends only on ``seed``, i and its given values: a longer run starts with the rows of a shorter one, and
    several runs share one sequence of samples by ``first_sample``.

    Args:
        conditions: a tab-separated table with any of the columns participant_id, age, sex, ventricular_volume,
            brain_volume. Blank and ``n/a`` cells are drawn from the population given the rest of their row.
        num_samples: number of samples without a table; 1 by default.
        age: years, of all samples.
        sex: "M" or "F", or another spelling that tables allow: male, f ...
        ventricular_volume: mL.
        brain_volume: mL.
        seed: seed of the run.
        bounds: the training range, see :class:`CovariateScaler`; by default the range of the population.
        population: source of drawn values, by default the fitted adults.
        intracranial_volume: mL; only for weights that know head size, by bounds of it or by ``head_size_reference``.
            Their rows have it, too: of the table, or drawn given the others.
        head_size_reference: see :class:`CovariateScaler`.
        first_sample: number of the first sample in the sequence of the seed, from 0; those before it are of other runs.

    Returns:
        Rows with participant_id ("sub-0001" ... unless the table names them), age (years), sex, the volumes (mL) and
        seed, the seed of the sample's noise. The values are exactly those that participants.tsv will hold.

    Raises:
        FileNotFoundError: if the table does not exist.
        DatasetError: with every bad row: impossible values, unknown columns, bad or repeated ids.
        ValueError: if a table and fixed values are both given, or num_samples, first_sample or a fixed value is
            impossible.

    Warns:
        BrainBundlesWarning: once, with every row outside of the training range.
    """
    by_head = head_size_reference is not None or HEAD_SIZE in (bounds or {})
    if intracranial_volume is not None and not by_head:
        raise ValueError(
            "intracranial_volume is given, but these weights do not know head size; only weights with bounds for it "
            "do, or with brain volumes normalised for it (head_size_reference, in configs/paper.json)."
        )
    population = population or (head_population() if by_head else PopulationModel.default())
    own = {name: population.range[name] for name in CONTINUOUS}
    scaler = CovariateScaler(bounds if bounds is not None else own, head_size_reference)
    names = scaler.names
    fixed = {"age": age, "sex": sex, "ventricular_volume": ventricular_volume, "brain_volume": brain_volume}
    fixed |= {"intracranial_volume": intracranial_volume}
    fixed = {name: value for name, value in fixed.items() if value is not None}
    if conditions is None:
        given = _given_by_values(num_samples, fixed)
        where: str | Path = "conditions"
    else:
        if fixed or num_samples is not None:
            extra = ", ".join([*(["num_samples"] if num_samples is not None else []), *fixed])
            raise ValueError(
                f"conditions={os.fspath(conditions)!r} and {extra} are both given; put them into the table."
            )
        given = _given_by_table(Path(conditions), names)
        where = Path(conditions)

    if isinstance(first_sample, bool) or not isinstance(first_sample, int) or first_sample < 0:
        raise ValueError(f"first_sample is {first_sample!r}, expected a whole number of at least 0.")
    rows: list[dict[str, str | float | int]] = []
    problems: list[tuple[str, str]] = []
    for index, known in enumerate(given, start=first_sample):
        rng = np.random.default_rng(derive_seed(seed, "condition", index))
        identity = known.pop("participant_id", None) or f"sub-{index + 1:04d}"
        try:
            (person,) = population.sample(1, rng, known)
        except ValueError as error:
            problems.append(("impossible combination", f"row {index - first_sample + 1} ({identity}): {error}"))
            continue
        row: dict[str, str | float | int] = {"participant_id": identity}
        for name in names:
            value = getattr(person, name)
            row[name] = value if name == "sex" or name in known else round(value, _DECIMALS[name])
        rows.append({**row, "seed": derive_seed(seed, index)})
    raise_problems(where, problems)
    outside = [
        f"  row {i} ({row['participant_id']}): {p}" for i, row in enumerate(rows, 1) for p in scaler.outside(row)
    ]
    if outside:
        shown = outside[:20] + ([f"  ... and {len(outside) - 20} more"] if len(outside) > 20 else [])
        warnings.warn(
            "Conditions outside of the training range, where the model extrapolates:\n" + "\n".join(shown),
            BrainBundlesWarning,
            stacklevel=2,
        )
    return rows


def _given_by_values(num_samples: int | None, fixed: Mapping[str, object]) -> list[dict]:
    count = 1 if num_samples is None else num_samples
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"num_samples is {num_samples!r}, expected a whole number of at least 1.")
    given, problems = _parse(fixed)
    if problems:
        raise ValueError(f"Impossible condition: {'; '.join(problems)}.")
    return [dict(given) for _ in range(count)]


def _given_by_table(path: Path, names: Sequence[str]) -> list[dict]:
    table = read_tsv(path)
    if not table:
        raise DatasetError(path, [("empty table", "no row below the column names")])
    known = ("participant_id", *names)
    problems = [("unknown column", f"{n}; allowed are {', '.join(known)}") for n in table[0] if n not in known]
    if "participant_id" in table[0]:
        problems += id_problems([row["participant_id"] for row in table])
    given = []
    for number, text in enumerate(table, start=1):
        identity = text.get("participant_id")
        place = f"row {number}" + (f" ({identity})" if identity else "")
        values, impossible = _parse({name: text.get(name) for name in names})
        problems += [("impossible value", f"{place}: {problem}") for problem in impossible]
        given.append({"participant_id": identity, **values} if identity else values)
    raise_problems(path, problems)
    return given


def _parse(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Parse covariates: the typed values that ``row`` gives, and the problems of the others, each as a phrase."""
    values: dict[str, Any] = {}
    problems = []
    for name, given in row.items():
        try:
            value = parse_covariate(name, given)
        except ValueError as error:
            problems.append(str(error))
        else:
            values |= {} if value is None else {name: value}
    return values, problems
