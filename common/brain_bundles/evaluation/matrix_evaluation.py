"""Every source against every target: the scores of each cell, beside those of simpler methods."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, Protocol

import torch
from monai.transforms import LoadImage, ResampleToMatch
from tqdm import tqdm

from brain_bundles.data import segmentation_path
from brain_bundles.evaluation.contrast_switch import IntensityProfile, intensity_quantiles, summarise_switch
from brain_bundles.evaluation.matrix_report import (
    METRICS,
    CellScore,
    draw_matrix,
    matrix_markdown,
    means_markdown,
    summarise_matrix,
    write_cells,
)
from brain_bundles.evaluation.translation_report import COPY, REGRESSION
from brain_bundles.metrics import IntensityRegression
from brain_bundles.metrics.translation import brain_mask, score_translation
from brain_bundles.utils import derive_seed
from brain_bundles.utils.atomic import atomic_write

logger = logging.getLogger(__name__)
SEGMENTATION = "segmentation"


class Translate(Protocol):
    """Predictions (T, 1, D, H, W) in [0, 1] of T targets from one source (1, 1, D, H, W)."""

    def __call__(self, source: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor: ...


class TranslatePair(Protocol):
    """Prediction (1, 1, D, H, W) in [0, 1] of one target from one source (1, 1, D, H, W)."""

    def __call__(self, source: torch.Tensor, *, seeds: list[int]) -> torch.Tensor: ...


def evaluate_matrix(
    test_datalist: Sequence[Mapping[str, Any]],
    train_datalist: Sequence[Mapping[str, Any]],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    contrasts: Sequence[str],
    methods: Mapping[str, Translate | None],
    output_dir: str | Path,
    pair_methods: Mapping[str, Mapping[str, TranslatePair]] | None = None,
    spacing: float = 2.0,
    seed: int = 0,
    num_train_subjects: int | None = None,
    tumour_labels: Sequence[int] = (),
) -> dict[str, Any]:
    """Translate every contrast of the test subjects to every other one they have, and compare with the truth.

    Writes metrics.json, metrics.md, cells.tsv (one row per subject, cell, method and region) and matrix.png.

    Args:
        test_datalist: items with ``participant_id``, a path per contrast and, where there is one, ``segmentation``, of
            :func:`with_segmentations`.
        train_datalist: the same; the intensity regressions are fitted to it.
        preprocessing: to volumes (1, D, H, W) in [0, 1]; a segmentation is taken along by nearest neighbours.
        contrasts: rows and columns of the matrix.
        methods: name -> what translates to several targets at once; None is left out. The last one is drawn.
        output_dir: where the results go; made if missing.
        pair_methods: name -> "source to target" -> what translates that pair alone, see :func:`pair_predictors`.
        spacing: voxel size of the grid, mm.
        seed: a prediction's own is derived from it, ``participant_id`` and the target.
        num_train_subjects: the first so many of ``train_datalist``; None for all.
        tumour_labels: of the segmentation; their voxels are scored apart, as are the others, as in BraSyn.

    Returns:
        what metrics.json holds.

    Raises:
        ValueError: if a list is empty, no subject has two contrasts, or a pair is not of the contrasts.
    """
    if not test_datalist or not train_datalist:
        raise ValueError("test_datalist or train_datalist is empty; check the dataset and its split column.")
    pairs = [f"{source} to {target}" for source, target in permutations(contrasts, 2)]
    if unknown := [pair for of_pairs in (pair_methods or {}).values() for pair in of_pairs if pair not in pairs]:
        raise ValueError(f"{unknown[0]!r} is not a pair of contrasts; there are {', '.join(pairs)}.")
    train = list(train_datalist[:num_train_subjects])
    regressions = _fit(train, preprocessing, contrasts)
    given = {name: method for name, method in methods.items() if method is not None}
    cells: list[CellScore] = []
    profiles: list[IntensityProfile] = []
    drawn: dict[str, Any] | None = None
    for item in tqdm(test_datalist, desc="evaluate", unit="subject", disable=None):
        volumes, tumour = _load(item, preprocessing, contrasts, tumour_labels)
        name = str(item["participant_id"])
        brain = torch.stack([volume > 0 for volume in volumes.values()]).any(0)
        true = {contrast: intensity_quantiles(volume, brain) for contrast, volume in volumes.items()}
        predictions: dict[tuple[str, str], torch.Tensor] = {}
        for source in volumes:
            targets = [target for target in volumes if target != source]
            seeds = [derive_seed(seed, "evaluate", name, target) for target in targets]
            made: dict[str, dict[str, torch.Tensor]] = {
                COPY: dict.fromkeys(targets, volumes[source]),
                REGRESSION: {
                    target: regressions[source, target].predict(
                        volumes[source], brain_mask(volumes[source], volumes[target])
                    )
                    for target in targets
                    if (source, target) in regressions
                },
            }
            for method, translate in given.items():
                made[method] = _call(translate, volumes[source], targets, seeds)
            for method, of_pairs in (pair_methods or {}).items():
                made[method] = {
                    target: of_pairs[pair](volumes[source][None, None], seeds=[one_seed])[0, 0]
                    for target, one_seed in zip(targets, seeds, strict=True)
                    if (pair := f"{source} to {target}") in of_pairs
                }
            for method, results in made.items():
                for target, prediction in results.items():
                    cells += _score(name, method, source, target, prediction, volumes, tumour)
                    profiles.append(
                        IntensityProfile(method, source, target, intensity_quantiles(prediction, brain), true)
                    )
            if given:
                predictions |= {(source, target): volume for target, volume in made[list(given)[-1]].items()}
        if drawn is None or len(volumes) > len(drawn["volumes"]):  # whoever has the most contrasts
            drawn = {"name": name, "volumes": volumes, "predictions": predictions}
    if not cells:
        raise ValueError(f"no test subject has two of {', '.join(contrasts)}.")
    if tumour_labels and not any(one.region == "tumour" for one in cells):
        labels = ", ".join(map(str, tumour_labels))
        logger.info(
            "Tumours are not scored apart: no test subject has a segmentation with a label %s; see segmentation_name "
            "and tumour_labels.",
            labels,
        )
    metrics = {
        "contrasts": list(contrasts),
        "num_subjects": len(test_datalist),
        "num_train_subjects": len(train),
        "data_range": 1.0,
        "spacing": spacing,
        "seed": seed,
        "methods": summarise_matrix(cells),
        "switch": summarise_switch(profiles),
    }
    out = Path(output_dir)
    write_cells(out / "cells.tsv", cells)
    atomic_write(out / "metrics.json", json.dumps(metrics, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "metrics.md", matrix_markdown(metrics))
    logger.info("evaluation: %s\n%s", out / "metrics.md", "\n".join(means_markdown(metrics)))
    if drawn is not None and drawn["predictions"]:
        try:
            draw_matrix(out / "matrix.png", contrasts=list(drawn["volumes"]), spacing=spacing, **drawn)
        except ImportError as error:  # the numbers are what was asked for; a picture is a courtesy
            logger.warning("No matrix.png: %s", error)
    return metrics


def with_segmentations(
    datalist: Sequence[Mapping[str, Any]], dataset_dir: str | Path, name: str = "phantom"
) -> list[dict[str, Any]]:
    """The items, with the path of the subject's segmentation in ``derivatives/<name>`` where there is one."""
    paths = [segmentation_path(dataset_dir, str(item["participant_id"]), name) for item in datalist]
    return [
        {**item, **({SEGMENTATION: str(path)} if path.is_file() else {})}
        for item, path in zip(datalist, paths, strict=True)
    ]


def _load(
    item: Mapping[str, Any],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    contrasts: Sequence[str],
    tumour_labels: Sequence[int],
) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """Volumes (D, H, W) by contrast, and where the tumour is, None if that is not known."""
    loaded = preprocessing({key: value for key, value in item.items() if key != SEGMENTATION})
    present = [name for name in contrasts if name in loaded]
    volumes = {name: torch.as_tensor(loaded[name]).as_subclass(torch.Tensor)[0].float() for name in present}
    if SEGMENTATION not in item or not tumour_labels or not present:
        return volumes, None
    labels = LoadImage(image_only=True, ensure_channel_first=True)(item[SEGMENTATION])
    labels = ResampleToMatch(mode="nearest", padding_mode="zeros")(labels, img_dst=loaded[present[0]])
    return volumes, torch.isin(
        torch.as_tensor(labels).as_subclass(torch.Tensor)[0].round().long(), torch.tensor(list(tumour_labels))
    )


def _fit(
    items: Sequence[Mapping[str, Any]],
    preprocessing: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    contrasts: Sequence[str],
) -> dict[tuple[str, str], IntensityRegression]:
    regressions: dict[tuple[str, str], IntensityRegression] = {}
    for item in tqdm(items, desc=REGRESSION, unit="subject", disable=None):
        volumes, _ = _load(item, preprocessing, contrasts, ())
        for source, target in permutations(volumes, 2):
            regression = regressions.setdefault((source, target), IntensityRegression())
            first, second = volumes[source], volumes[target]
            regression.update(first, second, brain_mask(first, second))
    return regressions


def _call(
    translate: Translate, volume: torch.Tensor, targets: Sequence[str], seeds: Sequence[int]
) -> dict[str, torch.Tensor]:
    made = torch.as_tensor(translate(volume[None, None], targets=targets, seeds=seeds)).float().cpu().clamp(0, 1)
    return {target: one[0] for target, one in zip(targets, made, strict=True)}


def _score(
    name: str,
    method: str,
    source: str,
    target: str,
    prediction: torch.Tensor,
    volumes: Mapping[str, torch.Tensor],
    tumour: torch.Tensor | None,
) -> list[CellScore]:
    truth = volumes[target]
    brain = brain_mask(volumes[source], truth)
    regions: dict[str, torch.Tensor | None] = {"brain": None}
    if tumour is not None and bool((brain & tumour).any()):
        regions |= {"tumour": tumour, "outside tumour": ~tumour}
    rows = []
    for title, region in regions.items():
        scores = score_translation(prediction, truth, brain, region=region, ms_ssim_kernel_size=None)
        values = {metric: getattr(scores, metric) for metric in METRICS}
        rows.append(CellScore(name, method, source, target, title, **values))
    return rows
