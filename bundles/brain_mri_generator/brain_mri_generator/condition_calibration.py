"""Calibration of a condition reader by volumes that were measured on generated brains."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from brain_bundles.data.participants import read_tsv
from brain_bundles.utils import save_network

from brain_mri_generator.condition_reader import ConditionReader

logger = logging.getLogger(__name__)

LEAST = 8  # brains of a table


def calibrate_condition_reader(
    reader: ConditionReader,
    path: str | Path,
    *,
    generated: str | Path,
    reference: str | Path,
    bounds: Mapping[str, Sequence[float]],
    volumes: Sequence[str] = ("ventricular_volume", "brain_volume"),
) -> dict[str, tuple[float, float]]:
    """Set which reading to aim at, so that generated brains measure as other brains of the same volumes do.

    A brain that was moved to a reading does not have quite its volume: the reading knows brains of the training, not
    generated ones. The volumes that an instrument measures on generated brains are a line of those asked for, and the
    volumes that it measures on real ones or phantoms are another line of those known. The reading that is aimed at is
    changed by the one after the inverse of the other.

    Args:
        reader: as it was when the generated brains were made; changed here.
        path: file of its new weights.
        generated, reference: tables of ``brain-bundles measure`` of generated brains, and of brains of known volumes
            that no training saw.
        bounds: lowest and highest value of each covariate in training, in the order of the conditions after sex.
        volumes: the covariates to calibrate.

    Returns:
        by covariate: factor and offset (mL) of the volume that is aimed at.

    Raises:
        FileNotFoundError: if a table is missing.
        ValueError: if a table lacks a column or has fewer than 8 measured brains, or volumes hardly follow.
    """
    lines = {}
    for name in volumes:
        asked, known = (_line(table, name) for table in (generated, reference))
        if asked[0] < 0.2 * known[0]:
            raise ValueError(f"{generated}: {name} hardly follows what was asked for (slope {asked[0]:.2f}).")
        factor, offset = known[0] / asked[0], (known[1] - asked[1]) / asked[0]
        lines[name] = (float(factor), float(offset))
        low, high = bounds[name]
        k = 1 + list(bounds).index(name)  # the first condition is sex
        # Scaled conditions: (factor * volume + offset - low) / (high - low), volume = low + condition * (high - low).
        shift = (factor * low + offset - low) / (high - low)
        reader.expected[k, -1] += reader.expected[k, k] * shift
        reader.expected[k, :-1] *= factor
        logger.info("%s: aims at %.3f times the volume that is asked for, %+.1f mL.", name, factor, offset)
    save_network(reader, path)
    return lines


def _line(table: str | Path, name: str) -> tuple[float, float]:
    """Slope and offset of the measured volumes in a table against those that are recorded in it."""
    rows = read_tsv(table)
    columns = (f"recorded_{name}", name)
    if missing := [column for column in columns if rows and column not in rows[0]]:
        raise ValueError(f"{table} lacks {' and '.join(missing)}; make it with brain-bundles measure.")
    pairs = np.array([[float(row[column] or "nan") for column in columns] for row in rows]).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(1)]
    if len(pairs) < LEAST:
        raise ValueError(f"{table} has {len(pairs)} brains with {' and '.join(columns)}, expected {LEAST} or more.")
    slope, offset = np.polyfit(pairs[:, 0], pairs[:, 1], 1)
    return float(slope), float(offset)
