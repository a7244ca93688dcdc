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

from brain_bundles.data.bids_index import scan_of
from brain_bundles.data.participants import SPLITS, read_participants
from brain_bundles.data.problems import raise_problems
from brain_bundles.data.subject_checks import subject_problems
from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.evaluation.generated_columns import (
    BrainImages,
    feature_distances,
    nearest_training_brains,
    power_ratio,
    similarity,
    structure,
)
from brain_bundles.evaluation.generated_report import draw_requested_vs_measured, markdown
from brain_bundles.evaluation.measurement import CLASSICAL, fidelity_of, find_images, measure_folder, write_measurements
from brain_bundles.evaluation.network_readings import read_brains, reading_fidelity
from brain_bundles.evaluation.sampler_table import SamplerRow
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.utils.atomic import atomic_write

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
    encoder: FeatureEncoder | None = None,
    num_four_gr_pairs: int = 0,
    read_by_network: bool = False,
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
        encoder: encoder of the distances between features, one that no loss saw, such as
            :func:`brain_bundles.evaluation.features.second_encoder`; None for none.
        num_four_gr_pairs: pairs for 4-G-R-SSIM, about a second each; 0 for none.
        read_by_network: read volumes and age by the segmenter, too, some seconds a brain; for T1w.
        sampler_rows: rows of :func:`brain_bundles.evaluation.sampler_benchmark.benchmark_samplers`, for the report.

    Returns:
        The content of metrics.json: JSON types only, None where a number is undefined.

    Raises:
        FileNotFoundError: if a folder is missing or empty.
        DatasetError: if a dataset is incomplete, or images of the reference cannot be used, with all of them.
    """
    images = find_images(generated_dir, suffix)
    generated = [path for _, path, _ in images]
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
    made, seen, real = BrainImages(generated, as_written), BrainImages(train, scaled), BrainImages(held_out, scaled)
    pairs: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed, "kernel_size": kernel_size}
    metrics = finite_json(
        {
            "num_generated": len(generated),
            "num_reference": len(held_out),
            "reference_split": split,
            "num_unmeasured": sum(not np.isfinite(m.measured).all() for m in measurements),
            "fidelity": {name: f.as_json() for name, f in fidelity_of(measurements).items()},
            "readings": _readings(generated_dir, images) if read_by_network else None,
            "ms_ssim": {"generated": similarity(made, **pairs), "reference": similarity(real, **pairs)},
            "four_gr_ssim": structure(made, real, num_pairs=num_four_gr_pairs, seed=seed),
            "features": feature_distances(made, real, encoder, seed=seed),
            "power_ratio": power_ratio(made, real, spacing=spacing),
            "memorisation": nearest_training_brains(made, seen, real),
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


def _readings(
    folder: str | os.PathLike[str], images: Sequence[tuple[str, Path, BrainVolumes]]
) -> dict[str, Any] | None:
    """Fidelity of what the segmenter reads; None for brains that nobody asked for anything."""
    if not (Path(folder) / "participants.tsv").is_file():
        return None
    rows = {str(row["participant_id"]): row for row in read_participants(folder, ())}
    asked = [rows[scan_of(name).participant_id] for name, *_ in images]
    return reading_fidelity(read_brains([path for _, path, _ in images]), asked)


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
