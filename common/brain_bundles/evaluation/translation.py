"""Translations of a test set beside the true volumes and beside what needs no network: numbers, a table, a picture."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from tqdm import tqdm

from brain_bundles.evaluation.tables import strict
from brain_bundles.evaluation.translation_report import (
    COPY,
    REGRESSION,
    SubjectScore,
    draw_comparison,
    subject_scores,
    summarise,
    translation_markdown,
    write_scores,
)
from brain_bundles.metrics.intensity_regression import IntensityRegression
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)

MASK = "voxels where the scaled source or the scaled target is > 0 (brain-extracted volumes)"

Predictor = Callable[..., torch.Tensor]


def evaluate_translation(
    test_datalist: Sequence[Mapping[str, Any]],
    train_datalist: Sequence[Mapping[str, Any]],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    source: str,
    target: str,
    predictors: Mapping[str, Predictor | None],
    output_dir: str | os.PathLike[str],
    *,
    source_key: str | None = None,
    target_key: str | None = None,
    spacing: float | Sequence[float],
    slice_axis: int = 2,
    seed: int = 0,
    num_train_subjects: int | None = None,
    ssim_kernel_size: int = 7,
    ms_ssim_kernel_size: int = 5,
) -> dict[str, Any]:
    """Score translations on a test set; write metrics.json, metrics.md, scores.tsv and comparison.png.

    Two baselines stand beside the predictors: ``copy``, the source itself, and ``intensity regression``, the mean
    target intensity given the source's, see :class:`IntensityRegression`.

    Args:
        test_datalist: items with ``participant_id`` and the paths of both volumes, as of
            :func:`brain_bundles.data.paired_datalist` or :func:`brain_bundles.data.bids_datalist`.
        train_datalist: the same, of the subjects that the regression is fitted to.
        preprocessing: makes both entries (1, D, H, W) in [0, 1] on the model's grid, see
            :func:`brain_bundles.transforms.image_preprocessing` with the two keys.
        source: the given contrast, for example T1w.
        target: the wanted contrast.
        predictors: name -> callable; ``predictor(source, seeds=[seed])`` takes (1, 1, D, H, W) float32 on the CPU and
            returns a tensor of that shape, on any device. What leaves [0, 1] is clipped, as it is in files. One that
            is None is left out.
        output_dir: where the results go; made if missing.
        source_key, target_key: entries of the items, by default the names of the contrasts.
        spacing: voxel size of the grid, mm, one number or three.
        slice_axis: 0, 1 or 2, along which the through-plane error is measured.
        seed: a subject's own is derived from it and ``participant_id``, so that results do not depend on the others.
        num_train_subjects: the first so many of ``train_datalist``; None for all.
        ssim_kernel_size: see :func:`score_translation`.
        ms_ssim_kernel_size: see :func:`score_translation`.

    Returns:
        what metrics.json holds: JSON types alone, None where a number is undefined.

    Raises:
        ValueError: if a list is empty or an item lacks an entry, a predictor has a baseline's name, or a volume is not
            what it should be.
    """
    keys = source_key or source, target_key or target
    given = {name: predictor for name, predictor in predictors.items() if predictor is not None}
    _check(test_datalist, train_datalist, *keys, given, num_train_subjects)
    train = train_datalist[:num_train_subjects]
    steps = [float(mm) for mm in np.broadcast_to(np.asarray(spacing, dtype=float), (3,))]
    regression = _fit_regression(train, preprocessing, *keys)

    def methods_of(mask: torch.Tensor) -> dict[str, Predictor]:
        return {
            COPY: lambda volume, seeds: volume,
            REGRESSION: lambda volume, seeds: regression.predict(volume, mask[None, None]),
            **given,
        }

    rows: list[SubjectScore] = []
    spatial_size: list[int] = []
    for item in tqdm(test_datalist, desc="evaluate", unit="subject", disable=None):
        first, second = _load(item, preprocessing, *keys)
        mask, spatial_size = brain_mask(first, second), list(second.shape)
        name = str(item["participant_id"])
        for method, predictor in methods_of(mask).items():
            try:
                prediction, seconds = _predict(predictor, first, seed, name)
                scores = score_translation(
                    prediction,
                    second,
                    mask,
                    slice_axis=slice_axis,
                    ssim_kernel_size=ssim_kernel_size,
                    ms_ssim_kernel_size=ms_ssim_kernel_size,
                )
            except ValueError as error:
                raise ValueError(f"{name}, {method}: {error}") from error
            rows.append(SubjectScore(name, method, scores, seconds))

    metrics = strict(
        {
            "source": source,
            "target": target,
            "num_subjects": len(test_datalist),
            "num_train_subjects": len(train),
            "data_range": 1.0,
            "mask": MASK,
            "spacing": steps,
            "spatial_size": spatial_size,
            "slice_axis": slice_axis,
            "ssim_kernel_size": ssim_kernel_size,
            "ms_ssim_kernel_size": ms_ssim_kernel_size,
            "seed": seed,
            "methods": summarise(rows),
            "subjects": subject_scores(rows),
        }
    )
    out = Path(output_dir)
    write_scores(out / "scores.tsv", rows)
    atomic_write(out / "metrics.json", json.dumps(metrics, indent=4, allow_nan=False) + "\n")
    text = translation_markdown(metrics)
    atomic_write(out / "metrics.md", text)
    logger.info("evaluation: %s\n%s", out / "metrics.md", text)

    # Shown is the subject in the middle of the last method. It is translated again, since keeping the volumes of all
    # subjects until the middle is known could fill the memory.
    rows_each = len(rows) // len(test_datalist)
    ranked = sorted((row.scores.psnr, number) for number, row in enumerate(rows[rows_each - 1 :: rows_each]))
    item = test_datalist[ranked[(len(ranked) - 1) // 2][1]]
    first, second = _load(item, preprocessing, *keys)
    name = str(item["participant_id"])
    methods = methods_of(brain_mask(first, second))
    predictions = {method: _predict(predictor, first, seed, name)[0] for method, predictor in methods.items()}
    mine = [row for row in rows if row.participant_id == name]
    try:
        draw_comparison(out / "comparison.png", (source, first), (target, second), predictions, mine, spacing=steps)
    except ImportError as error:  # the numbers are what was asked for; a picture is a courtesy
        logger.warning("No comparison.png: %s", error)
    return metrics


def _check(
    test_datalist: Sequence[Mapping[str, Any]],
    train_datalist: Sequence[Mapping[str, Any]],
    source: str,
    target: str,
    predictors: Mapping[str, Predictor],
    num_train_subjects: int | None,
) -> None:
    for name, items in (("test_datalist", test_datalist), ("train_datalist", train_datalist)):
        if not items:
            raise ValueError(f"{name} is empty; check the dataset and its split column.")
        for item in items:
            if missing := [key for key in ("participant_id", source, target) if key not in item]:
                raise ValueError(f"{name}: {item.get('participant_id', 'an item')} has no {', '.join(missing)}.")
    names = [str(item["participant_id"]) for item in test_datalist]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"test_datalist: participant_id {', '.join(repeated)} more than once; make them unique.")
    if num_train_subjects is not None and num_train_subjects < 1:
        raise ValueError(f"num_train_subjects must be at least 1, or None for all, got {num_train_subjects}.")
    if taken := [name for name in (COPY, REGRESSION) if name in predictors]:
        raise ValueError(f"predictors: {taken[0]!r} is the name of a baseline; choose another.")
    # Paths and not ids: two datasets may both have a sub-0001.
    both = {str(item[target]) for item in train_datalist} & {str(item[target]) for item in test_datalist}
    if both:
        logger.warning("%d test subjects are training subjects too: %s has seen their answers.", len(both), REGRESSION)


def _predict(predictor: Predictor, volume: torch.Tensor, seed: int, name: str) -> tuple[torch.Tensor, float]:
    """A prediction (D, H, W) in [0, 1] on the CPU, and the seconds that it took; one seed for every method."""
    start = time.perf_counter()
    with torch.no_grad():
        answer = _plain(predictor(volume[None, None], seeds=[derive_seed(seed, "evaluate", name)]))  # waits for the GPU
    seconds = time.perf_counter() - start
    if answer.shape != (1, 1, *volume.shape):
        raise ValueError(f"its shape is {tuple(answer.shape)}, expected that of the source, {(1, 1, *volume.shape)}.")
    # NaN and infinity stay, to be refused by the scores.
    return torch.where(answer.isfinite(), answer.clamp(0, 1), answer)[0, 0], seconds


def _plain(volume: Any) -> torch.Tensor:
    volume = volume.as_tensor() if isinstance(volume, MetaTensor) else torch.as_tensor(volume)
    return volume.detach().float().cpu()


def _load(
    item: Mapping[str, Any], preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]], source: str, target: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both volumes (D, H, W), plain float32 tensors."""
    volumes = preprocessing(item)
    first, second = (_plain(volumes[key]) for key in (source, target))
    if first.ndim != 4 or first.shape[0] != 1 or first.shape != second.shape:
        raise ValueError(
            f"{item['participant_id']}: {source} and {target} have shapes {tuple(first.shape)} and "
            f"{tuple(second.shape)}, expected one shape (1, D, H, W); see image_preprocessing."
        )
    return first[0], second[0]


def _fit_regression(
    items: Sequence[Mapping[str, Any]],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    source: str,
    target: str,
) -> IntensityRegression:
    regression = IntensityRegression()
    for item in tqdm(items, desc=REGRESSION, unit="subject", disable=None):
        first, second = _load(item, preprocessing, source, target)
        try:
            regression.update(first, second, brain_mask(first, second))
        except ValueError as error:
            raise ValueError(f"{item['participant_id']}: {error}") from error
    return regression
