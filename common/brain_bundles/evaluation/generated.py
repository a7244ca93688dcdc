"""Evaluation of a generated set against a reference set, as JSON, as a table and as a picture."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brain_bundles.data.bids_index import scan_of
from brain_bundles.data.participants import SPLITS, read_participants
from brain_bundles.data.problems import raise_problems
from brain_bundles.data.subject_checks import subject_problems
from brain_bundles.evaluation.generated_report import draw_requested_vs_measured, markdown
from brain_bundles.evaluation.measurement import CLASSICAL, fidelity_of, find_images, measure_folder, write_measurements
from brain_bundles.evaluation.sampler_table import SamplerRow
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.metrics.memorisation import describe, memorisation
from brain_bundles.metrics.ms_ssim_pairs import ms_ssim_over_pairs
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.utils.plain_tensor import plain_tensor

logger = logging.getLogger(__name__)


def evaluate_generated(
    generated_dir: str | os.PathLike[str],
    reference_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    suffix: str = "T1w",
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
    num_pairs: int = 1000,
    seed: int = 0,
    spacing: float = 2.0,
    spatial_size: Sequence[int] = (80, 96, 80),
    intensity_scale: str = DEFAULT_SCALE,
    intensity_percentiles: Sequence[float] | None = None,
    kernel_size: int = 5,
    sampler_rows: Sequence[SamplerRow] | None = None,
) -> dict[str, Any]:
    """Evaluate a generated BIDS dataset; write metrics.json, metrics.md, measured.tsv and requested_vs_measured.png.

    The held-out brains are the reference's split "test", else "val", else all brains. The training brains are its split
    "train". The memorisation check needs both.

    Args:
        generated_dir: BIDS dataset whose participants.tsv has the requested volumes (mL). Its images are in [0, 1], on
            the scale of the model, and are compared as they are.
        reference_dir: BIDS dataset of the brains to compare with.
        output_dir: folder of the results; made if missing.
        suffix: contrast.
        entities: labels of the images to choose in ``reference_dir``, see :func:`brain_bundles.data.bids_datalist`.
        strict: refuse reference images that do not look like one brain without skull; otherwise the log names them.
        num_pairs: pairs per set for MS-SSIM; all pairs if there are fewer.
        seed: seed of the choice of pairs.
        spacing: voxel size of the grid for MS-SSIM and correlations, mm; both sets are resampled to it.
        spatial_size: (D, H, W) of that grid. Brains are centred on it.
        intensity_scale, intensity_percentiles: scale of the reference set, as in training, see
            :func:`image_preprocessing`.
        kernel_size: window of MS-SSIM, see :func:`ms_ssim_over_pairs`.
        sampler_rows: rows of :func:`brain_bundles.evaluation.sampler_benchmark.benchmark_samplers`, for the report.

    Returns:
        The content of metrics.json: JSON types only, None where a number is undefined.

    Raises:
        FileNotFoundError: if a folder is missing or empty.
        DatasetError: if a dataset is incomplete, or images of the reference cannot be used, with all of them.
    """
    generated = [path for _, path, _ in find_images(generated_dir, suffix)]
    train, held_out, split = _reference_images(reference_dir, suffix, entities)
    reference = [{"participant_id": path.name, "image": str(path)} for path in (*train, *held_out)]
    raise_problems(os.fspath(reference_dir), subject_problems(reference, ["image"], strict=strict))
    measurements = measure_folder(generated_dir, suffix, method=CLASSICAL)
    grid: dict[str, Any] = {"spacing": spacing, "spatial_size": spatial_size, "warn_cut": None}
    scaled = image_preprocessing(
        "image", **grid, intensity_scale=intensity_scale, intensity_percentiles=intensity_percentiles
    )
    # Already on that scale: a sample that is too dark or too flat must not be mended by its own statistics.
    as_written = image_preprocessing("image", **grid, intensity_scale=None)
    preprocessings = dict.fromkeys(generated, as_written)

    def loader(paths: Sequence[Path]) -> Any:
        return lambda i: plain_tensor(preprocessings.get(paths[i], scaled)({"image": str(paths[i])})["image"])

    similarity: dict[str, Any] = {"generated": None, "reference": None}
    for name, paths in (("generated", generated), ("reference", held_out)):
        if len(paths) >= 2:
            logger.info("MS-SSIM over pairs of %d %s brains", len(paths), name)
            similarity[name] = asdict(
                ms_ssim_over_pairs(loader(paths), len(paths), num_pairs=num_pairs, seed=seed, kernel_size=kernel_size)
            )
    metrics = finite_json(
        {
            "num_generated": len(generated),
            "num_reference": len(held_out),
            "reference_split": split,
            "num_unmeasured": sum(not np.isfinite(m.measured).all() for m in measurements),
            "fidelity": {name: f.as_json() for name, f in fidelity_of(measurements).items()},
            "ms_ssim": similarity,
            "memorisation": _memorisation(loader, generated, train, held_out),
            "samplers": [asdict(row) for row in sampler_rows or []],
        }
    )
    out = Path(output_dir)
    write_measurements(out / "measured.tsv", measurements)
    atomic_write(out / "metrics.json", json.dumps(metrics, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "metrics.md", markdown(metrics))
    draw_requested_vs_measured(out / "requested_vs_measured.png", measurements)
    logger.info("evaluation: %s\n%s", out / "metrics.md", markdown(metrics))
    return metrics


def _reference_images(
    folder: str | os.PathLike[str], suffix: str, entities: Mapping[str, object] | None
) -> tuple[list[Path], list[Path], str | None]:
    """Return (training images, held-out images, name of the held-out split)."""
    images = find_images(folder, suffix, entities=entities)
    splits: dict[str, object] = {}
    if (Path(folder) / "participants.tsv").is_file():
        splits = {str(row["participant_id"]): row.get("split") for row in read_participants(folder, ())}
    of = {
        split: [path for name, path, _ in images if splits.get(scan_of(name).participant_id) == split]
        for split in SPLITS
    }
    for held_out in ("test", "val"):
        if of[held_out]:
            return of["train"], of[held_out], held_out
    return [], [path for _, path, _ in images], None


def _memorisation(
    loader: Any, generated: Sequence[Path], train: Sequence[Path], held_out: Sequence[Path]
) -> Mapping[str, Any] | None:
    """Memorisation check as plain numbers, with the closest pair by name; None without a split."""
    if len(train) < 2:
        return None
    logger.info("nearest training brains of %d generated brains", len(generated))

    def vectors(paths: Sequence[Path]) -> list[torch.Tensor]:
        load = loader(paths)
        return [describe(load(i)) for i in range(len(paths))]

    result = memorisation(vectors(generated), vectors(train), vectors(held_out))
    closest = int(result.generated.argmax())
    return {
        "num_training": len(train),
        "generated_mean": float(result.generated.mean()),
        "generated_max": float(result.generated.max()),
        "held_out_mean": float(result.held_out.mean()),
        "held_out_max": float(result.held_out.max()),
        "threshold": result.threshold,
        "share_above": result.share_above,
        "closest_generated": generated[closest].name,
        "closest_training": train[int(result.generated_nearest[closest])].name,
    }
