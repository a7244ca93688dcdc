"""Comparison of translation methods and baselines with the true volumes: numbers, tables and a picture."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from brain_bundles.data.bids_index import item_scan
from brain_bundles.evaluation.contrast_switch import IntensityProfile, summarise_switch
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.evaluation.translation_baselines import REGRESSION, fit_regressions
from brain_bundles.evaluation.translation_cells import as_cells, cell_name, contrasts_of
from brain_bundles.evaluation.translation_checks import Items, check_items, check_methods
from brain_bundles.evaluation.translation_costs import Costs, measure_costs
from brain_bundles.evaluation.translation_markdown import overview_markdown, translation_markdown
from brain_bundles.evaluation.translation_method import AnyMethod
from brain_bundles.evaluation.translation_pictures import draw_comparison, draw_matrix
from brain_bundles.evaluation.translation_predictions import intensity_profile, score_prediction, translate_subject
from brain_bundles.evaluation.translation_subject import TUMOUR, Preprocessing, load_subject
from brain_bundles.evaluation.translation_summary import (
    METRICS,
    CellScore,
    last_complete_method,
    middle_subject,
    subject_scores,
    summarise,
    write_scores,
)
from brain_bundles.metrics.conventions import COLLECTION, check_convention
from brain_bundles.utils.atomic import atomic_write

logger = logging.getLogger(__name__)

MASK = "voxels where the scaled source or the scaled target is > 0 (brain-extracted volumes)"


def compare_translations(
    test_datalist: Items,
    train_datalist: Items,
    preprocessing: Preprocessing,
    *,
    cells: Sequence[str | Sequence[str]],
    methods: Mapping[str, AnyMethod | None],
    output_dir: str | os.PathLike[str],
    spacing: float | Sequence[float],
    metrics: Sequence[str] = tuple(METRICS),
    tumour_labels: Sequence[int] = (),
    slice_axis: int = 2,
    seed: int = 0,
    num_train_subjects: int | None = None,
    ssim_kernel_size: int = 7,
    ms_ssim_kernel_size: int = 5,
    convention: str = COLLECTION,
) -> dict[str, Any]:
    """Translate the test subjects by all methods and compare with the truth.

    Writes metrics.json, metrics.md, scores.tsv (one row per subject, cell, method and region) and a picture:
    comparison.png with errors for one cell, matrix.png for several.

    Two baselines are compared as well: ``copy``, the source itself, and ``intensity regression``, the mean target
    intensity given the source intensity, see :class:`IntensityRegression`. Of methods with networks the report also has
    the parameters, operations and memory, see :func:`measure_costs`.

    Args:
        test_datalist: items with ``participant_id`` and one path per contrast; contrasts may be missing. A path of a
            ``segmentation`` is optional, see :func:`with_segmentations`.
        train_datalist: such items of the subjects to which the regressions are fitted.
        preprocessing: makes each contrast (1, D, H, W) in [0, 1] on the model's grid, see
            :class:`brain_bundles.transforms.ContrastPreprocessing`.
        cells: contrasts, each translated to every other one, or a list of (source, target).
        methods: name -> :class:`TranslationMethod`, or name -> mapping "source to target" -> :class:`TranslationMethod`
            for a method of some pairs. None is left out. Values outside [0, 1] are clipped, as in files. The picture
            shows the last method that makes every cell.
        output_dir: folder of the results; made if missing.
        spacing: voxel size of the grid, mm, one number or three.
        metrics: entries of ``METRICS`` to report, in the order of the tables.
        tumour_labels: labels of the tumour in the segmentation. Voxels inside and outside of the tumour are then also
            scored separately.
        slice_axis: 0, 1 or 2, along which the through-plane error is measured.
        seed: seed of the run. The seed of a prediction is derived from it, ``participant_id`` and the target, so that
            results do not depend on the other subjects.
        num_train_subjects: number of items of ``train_datalist`` to use, from the first; None for all.
        ssim_kernel_size: see :func:`score_translation`.
        ms_ssim_kernel_size: see :func:`score_translation`.
        convention: published way of scoring, by name, see :func:`score_translation`; by default the collection's own.

    Returns:
        The content of metrics.json: JSON types only, None where a number is undefined.

    Raises:
        ValueError: if a list is empty or an item has no cell, a method has a baseline's name or an unknown pair, a
            metric or the convention is unknown, or a volume has a wrong shape or value.
    """
    pairs = as_cells(cells)
    contrasts = contrasts_of(pairs)
    given = {name: method for name, method in methods.items() if method is not None}
    check_items(test_datalist, train_datalist, pairs, num_train_subjects)
    check_methods(given, contrasts, metrics)
    check_convention(convention)
    train = train_datalist[:num_train_subjects]
    steps = [float(mm) for mm in np.broadcast_to(np.asarray(spacing, dtype=float), (3,))]
    load = partial(load_subject, preprocessing=preprocessing, contrasts=contrasts, tumour_labels=tumour_labels)
    regressions = fit_regressions(
        (load_subject(item, preprocessing, contrasts) for item in _bar(train, REGRESSION)), pairs
    )
    options = {
        "slice_axis": slice_axis,
        "spacing": steps[0] if steps.count(steps[0]) == 3 else None,
        "ssim_kernel_size": ssim_kernel_size,
        "ms_ssim_kernel_size": ms_ssim_kernel_size if "ms_ssim" in metrics else None,
        "convention": convention,
    }
    rows: list[CellScore] = []
    profiles: list[IntensityProfile] = []
    costs: dict[str, Costs] = {}
    spatial_size: list[int] = []
    for item in _bar(test_datalist, "evaluate"):
        subject = load(item)
        spatial_size = list(subject.brain.shape)
        costs |= measure_costs(subject, pairs, {name: given[name] for name in given if name not in costs})
        for prediction in translate_subject(subject, pairs, given, regressions, seed):
            rows += score_prediction(subject, prediction, **options)
            profiles.append(intensity_profile(subject, prediction))
    if tumour_labels and not any(row.region == TUMOUR for row in rows):
        labels = ", ".join(map(str, tumour_labels))
        logger.info(
            "Tumours are not scored separately: no test subject has a segmentation with a label %s; see "
            "segmentation_name and tumour_labels.",
            labels,
        )
    report = finite_json(
        {
            "contrasts": contrasts,
            "cells": [cell_name(*pair) for pair in pairs],
            "num_subjects": len(test_datalist),
            "num_train_subjects": len(train),
            "data_range": 1.0,
            "convention": convention,
            "mask": MASK,
            "spacing": steps,
            "spatial_size": spatial_size,
            "slice_axis": slice_axis,
            "ssim_kernel_size": ssim_kernel_size,
            "ms_ssim_kernel_size": ms_ssim_kernel_size,
            "seed": seed,
            "metrics": list(metrics),
            "methods": summarise(rows, metrics),
            "costs": {name: asdict(costs[name]) for name in given if name in costs},
            "switch": summarise_switch(profiles),
            "subjects": subject_scores(rows, metrics),
        }
    )
    out = Path(output_dir)
    write_scores(out / "scores.tsv", rows, metrics)
    atomic_write(out / "metrics.json", json.dumps(report, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "metrics.md", translation_markdown(report))
    logger.info("evaluation: %s\n%s", out / "metrics.md", "\n".join(overview_markdown(report)))

    # The subject of the picture is known only now. It is translated again: the volumes of all could fill the memory.
    shown = last_complete_method(rows)
    name = middle_subject(rows, shown)
    subject = load(next(item for item in test_datalist if str(item_scan(item)) == name))
    again = given if len(pairs) == 1 else {method: given[method] for method in given if method == shown}
    predictions = translate_subject(subject, pairs, again, regressions, seed)
    path = out / ("comparison.png" if len(pairs) == 1 else "matrix.png")
    try:
        if len(pairs) == 1:
            draw_comparison(path, subject, list(predictions), rows, spacing=steps)
        else:
            draw_matrix(path, subject, [one for one in predictions if one.method == shown], spacing=steps)
    except ImportError as error:  # the numbers are complete; the picture is optional
        logger.warning("No %s: %s", path.name, error)
    return report


def _bar(items: Items, text: str) -> Iterator[Mapping[str, Any]]:
    return iter(tqdm(items, desc=text, unit="subject", disable=None))
