"""Evaluation of the segmenter on scans with labels: Dice, correlations of volumes, quality, in tables."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from torch import nn
from tqdm import tqdm

from brain_bundles.data.brain_classes import class_indices
from brain_bundles.data.read_image import read_values
from brain_bundles.evaluation.segmentation_scores import StructureScore, Table, score_segmentation, side_agreement
from brain_bundles.evaluation.tables import cell, finite_json, table
from brain_bundles.transforms.read_image import ReadImaged
from brain_bundles.transforms.segmentation import QUALITY, NoHeadError, Segmentation, segment
from brain_bundles.transforms.segmentation_preprocessing import MaskUnseend
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.visualize.montage import save_montage
from brain_bundles.visualize.overlay import overlay

logger = logging.getLogger(__name__)
SHOWN = 4  # scans in the picture


def evaluate_segmentation(
    datalist: Sequence[Mapping[str, Any]],
    preprocessing: Any,
    network: nn.Module,
    inferer: Any,
    *,
    output_dir: str | os.PathLike[str],
    label_numbers: Table = None,
    device: str | torch.device = "cpu",
    minimum_quality: float = 0.0,
    flag_quality: float = 0.7,
    refine: bool = True,
) -> dict[str, Any]:
    """Segment scans and compare with their labels.

    Writes metrics.json, metrics.md, scores.tsv (one line per scan and structure) and comparison.png.

    Args:
        datalist: items with ``participant_id``, ``image`` and ``label``, see :func:`segmentation_datalist`.
        preprocessing: from :func:`segmentation_preprocessing`, without labels.
        network: gives logits.
        inferer: gives probabilities, see :class:`~brain_bundles.inferers.SegmentationInferer`.
        output_dir: folder of the results; made if missing.
        label_numbers: class -> its numbers in the labels; None for FreeSurfer's. Others are not scored.
        device: of the network.
        minimum_quality: see :func:`~brain_bundles.transforms.segment`; scans without a head are counted and named.
        flag_quality: see there.
        refine: let borders follow the intensities, see there.

    Returns:
        The content of metrics.json; None where a number is undefined.

    Raises:
        ValueError: if the datalist is empty.
    """
    if not len(datalist):
        raise ValueError("the datalist is empty; check dataset_dir and split.")
    network.eval()
    rows: list[dict[str, Any]] = []
    scans: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    pictures: list[Any] = []
    titles: list[str] = []
    for item in tqdm(datalist, desc="evaluate", unit="scan", disable=None):
        name = "_".join(str(item[key]) for key in ("participant_id", "session_id", "contrast") if item.get(key))
        raw = MaskUnseend()(ReadImaged("label", read_values)(ReadImaged("image")(dict(item))))
        began = time.perf_counter()
        image = preprocessing({"image": item["image"]})["image"]
        with torch.inference_mode():
            probabilities = inferer(image.as_tensor()[None].to(device), network)[0].cpu()
        labels: MetaTensor = raw["label"]
        try:
            found = segment(
                probabilities,
                np.asarray(image.affine),
                labels.shape[1:],
                np.asarray(labels.affine),
                image=image if refine else None,
                minimum_quality=minimum_quality,
                flag_quality=flag_quality,
            )
        except NoHeadError as error:
            refused[name] = str(error)
            continue
        seconds = time.perf_counter() - began
        rows += [{"scan": name, **vars(score)} for score in score_segmentation(image, found, labels, label_numbers)]
        sides = side_agreement(found, labels) if label_numbers is None else float("nan")
        scans.append({"scan": name, "quality": found.quality[QUALITY], "sides": sides, "seconds": seconds})
        if len(pictures) < 2 * SHOWN:
            pictures += _pictures(raw["image"], labels, found, label_numbers)
            titles += [f"{name}\nlabels", f"{name}\nfound"]
    report = finite_json(
        {
            "num_scans": len(datalist),
            "refused": refused,
            "structures": _summary(rows),
            "quality": _mean([one["quality"] for one in scans]),
            "sides": _mean([one["sides"] for one in scans]),
            "seconds": _mean([one["seconds"] for one in scans]),
            "scans": scans,
        }
    )
    out = Path(output_dir)
    atomic_write(out / "metrics.json", json.dumps(report, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "metrics.md", _markdown(report))
    columns = ["scan", *StructureScore.__dataclass_fields__]
    lines = ["\t".join(columns), *("\t".join(_text(row[name]) for name in columns) for row in rows)]
    atomic_write(out / "scores.tsv", "\n".join(lines) + "\n")
    if pictures:
        try:
            save_montage(out / "comparison.png", pictures, titles, columns=2)
        except ImportError as error:  # the numbers are complete; the picture is optional
            logger.warning("No comparison.png: %s", error)
    logger.info("evaluation: %s\n%s", out / "metrics.md", _markdown(report))
    return report


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    summary = {}
    for name in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == name]
        summary[name] = {
            "dice": _mean([row["dice"] for row in own]),
            "dice_scan": _mean([row["dice_scan"] for row in own]),
            "volume_ml": _mean([row["volume"] for row in own]),
            "true_volume_ml": _mean([row["true_volume"] for row in own]),
            "volume_r": _correlation([row["volume"] for row in own], [row["true_volume"] for row in own]),
        }
    return summary


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's r; NaN for fewer than three pairs or without spread."""
    if len(one) < 3 or np.std(one) == 0 or np.std(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "n/a" if np.isnan(value) else f"{value:.4f}"


def _markdown(report: Mapping[str, Any]) -> str:
    columns = {"dice": ".3f", "dice_scan": ".3f", "volume_ml": ".1f", "true_volume_ml": ".1f", "volume_r": ".3f"}
    header = ["structure", "Dice", "Dice, scan's grid", "volume (mL)", "true volume (mL)", "r of volumes"]
    lines = table(
        header,
        [
            [name, *(cell(one[key], form) for key, form in columns.items())]
            for name, one in report["structures"].items()
        ],
    )
    means = ", ".join(f"{name} {cell(report[name], '.3f')}" for name in ("quality", "sides", "seconds"))
    lines.append(f"{report['num_scans']} scans, {len(report['refused'])} refused. Means: {means}.")
    lines += [f"- {name}: {reason}" for name, reason in report["refused"].items()]
    return "\n".join(lines) + "\n"


def _pictures(image: MetaTensor, labels: MetaTensor, found: Segmentation, numbers: Table) -> list[Any]:
    grey = image[0].numpy()
    grey = grey / max(float(np.percentile(grey, 99.5)), 1e-6)
    return [overlay(grey, class_indices(labels[0].numpy(), numbers)), overlay(grey, class_indices(found.numbers))]
