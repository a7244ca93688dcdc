"""Calibration of a condition reader by what is measured on generated brains."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from brain_bundles.evaluation import KnownBrains, measure_brains
from brain_bundles.utils import save_network

from brain_mri_generator.condition_reader import ConditionReader

logger = logging.getLogger(__name__)

LEAST = 8  # brains of a set
FOLLOWS = 0.2  # least slope, as a share of that of known brains


def calibrate_condition_reader(
    reader: ConditionReader,
    path: str | Path,
    *,
    generated_dir: str | Path | None,
    reference_dir: str | Path | None,
    bounds: Mapping[str, Sequence[float]],
    volumes: Sequence[str] = ("ventricular_volume", "brain_volume"),
    suffix: str = "T1w",
    reference_split: str | None = "val",
    max_reference: int | None = None,
) -> dict[str, tuple[float, float]]:
    """Measure generated brains and known ones, and write a reader whose aims make both measure alike.

    Args:
        reader: as it was when the generated brains were made; changed here.
        path: file of its new weights.
        generated_dir: BIDS dataset of brains that were generated with ``reader``.
        reference_dir: BIDS dataset of brains with known conditions that no training saw.
        bounds: lowest and highest value of each covariate in training, in the order of the conditions after sex.
        volumes: the covariates to calibrate.
        suffix: contrast of both.
        reference_split: split of ``reference_dir`` to take; None for all.
        max_reference: most brains of the reference; None for all.

    Returns:
        by covariate: factor and offset (mL) of the volume that is aimed at.

    Raises:
        FileNotFoundError: if a folder is missing or has no image.
        DatasetError: if a dataset is incomplete.
        ValueError: if a folder is not given; see also :func:`change_aims`.
    """
    if generated_dir is None or reference_dir is None:
        raise ValueError(
            "a calibration compares two BIDS datasets: give --generated_dir, brains that were generated with this "
            "reader, and --reference_dir, brains of known volumes that no training saw."
        )
    generated = measure_brains(generated_dir, suffix)
    reference = measure_brains(reference_dir, suffix, split=reference_split, most=max_reference)
    lines = change_aims(reader, generated, reference, bounds, volumes)
    save_network(reader, path)
    return lines


def change_aims(
    reader: ConditionReader,
    generated: KnownBrains,
    reference: KnownBrains,
    bounds: Mapping[str, Sequence[float]],
    volumes: Sequence[str],
) -> dict[str, tuple[float, float]]:
    """Set which reading to aim at, so that generated brains measure as others of the same volumes do.

    A brain that was moved to a reading does not measure quite like it: the reading knows brains of the training, not
    generated ones. The volumes that an instrument measures on generated brains are a line of those asked for, and the
    volumes that it measures on known brains are another. The aim is changed by the one after the inverse of the other,
    by the mean over the instruments.

    Args:
        reader: changed here.
        generated, reference: sets of 8 brains or more.
        bounds, volumes: see :func:`calibrate_condition_reader`.

    Raises:
        ValueError: if fewer than 8 brains of a set were measured, or volumes hardly follow what was asked for.
    """
    lines = {}
    for name in volumes:
        found = []
        for instrument in range(len(generated.measured[name])):
            asked, known = (_line(brains, name, instrument) for brains in (generated, reference))
            if asked[0] < FOLLOWS * known[0]:
                raise ValueError(f"{name} hardly follows what was asked for: slope {asked[0]:.2f}.")
            found.append((known[0] / asked[0], (known[1] - asked[1]) / asked[0]))
        factor, offset = np.mean(found, axis=0).tolist()
        lines[name] = (factor, offset)
        low, high = bounds[name]
        k = 1 + list(bounds).index(name)  # the first condition is sex
        # Scaled conditions: (factor * volume + offset - low) / (high - low), volume = low + condition * (high - low).
        shift = (factor * low + offset - low) / (high - low)
        reader.aim_shift[k] += reader.aim_factor[k] * shift
        reader.aim_factor[k] *= factor
        logger.info("%s: aims at %.3f times the volume that is asked for, %+.1f mL.", name, factor, offset)
    return lines


def _line(brains: KnownBrains, name: str, instrument: int) -> tuple[float, float]:
    """Slope and offset of measured volumes against those known."""
    pairs = np.column_stack([brains.known[name], brains.measured[name][instrument]])
    pairs = pairs[np.isfinite(pairs).all(1)]
    if len(pairs) < LEAST:
        raise ValueError(f"{len(pairs)} brains have {name} known and measured, expected {LEAST} or more.")
    slope, offset = np.polyfit(pairs[:, 0], pairs[:, 1], 1)
    return float(slope), float(offset)
