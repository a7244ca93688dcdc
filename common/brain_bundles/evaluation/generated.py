"""Evaluation of a generated set against a reference set, as JSON, as a table and as a picture."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brain_bundles.data.covariates import COVARIATES
from brain_bundles.evaluation.closest_pairs import draw_closest_pairs
from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.evaluation.generated_columns import (
    feature_distances,
    fidelity_with_intervals,
    nearest_training_brains,
    power_intervals,
    power_ratio,
    similarity,
    structure,
    variance_within_conditions,
)
from brain_bundles.evaluation.generated_report import draw_requested_vs_measured, markdown
from brain_bundles.evaluation.image_sets import Found, Grid, Reference, held_out_images, people_of, read_reference
from brain_bundles.evaluation.measurement import CLASSICAL, find_images, measure_images, write_measurements
from brain_bundles.evaluation.network_readings import read_brains, reading_fidelity
from brain_bundles.evaluation.sampler_table import SamplerRow
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from brain_bundles.utils.atomic import atomic_write

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Columns:
    """What is measured of a generated set.

    Attributes:
        num_pairs: pairs per set for MS-SSIM; all pairs if there are fewer.
        seed: seed of all draws.
        kernel_size: window of MS-SSIM, see :func:`ms_ssim_over_pairs`.
        encoder: encoder of the distances between features, one that no loss saw, such as
            :func:`brain_bundles.evaluation.features.second_encoder`; None for none.
        other_encoders: encoders of distances beside these, such as Med3D's, by which others compare.
        equal_numbers: numbers N for which the first N brains of both sets are compared by features, too: each of
            these distances depends on N.
        num_four_gr_pairs: pairs for 4-G-R-SSIM, about a second each; 0 for none.
        read_by_network: read volumes and age by the segmenter, too, some seconds a brain; for T1w.
        num_resamples: draws of each interval of 95 %, see :mod:`brain_bundles.metrics.intervals` and, for distances
            between features, :func:`brain_bundles.evaluation.features.compare_features`; 0 for none. Those of means
            over pairs need none.
    """

    num_pairs: int = 1000
    seed: int = 0
    kernel_size: int = 5
    encoder: FeatureEncoder | None = None
    other_encoders: Sequence[FeatureEncoder] = ()
    equal_numbers: Sequence[int] = ()
    num_four_gr_pairs: int = 0
    read_by_network: bool = False
    num_resamples: int = 1000

    def settings(self) -> dict[str, Any]:
        """The attributes as JSON types, with the records of the encoders."""
        encoders = {
            "encoder": self.encoder and asdict(self.encoder.record),
            "other_encoders": [asdict(one.record) for one in self.other_encoders],
        }
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, **encoders}


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
    num_resamples: int = 1000,
    sampler_rows: Sequence[SamplerRow] | None = None,
) -> dict[str, Any]:
    """Evaluate a generated BIDS dataset; write metrics.json, metrics.md, measured.tsv and pictures.

    The pictures are requested_vs_measured.png and, with training brains, closest_pairs.png.

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
        num_resamples: draws of each interval of 95 %, see :class:`Columns`; 0 for none.
        sampler_rows: rows of :func:`brain_bundles.evaluation.sampler_benchmark.benchmark_samplers`, for the report.

    Returns:
        The content of metrics.json: JSON types only, None where a number is undefined.

    Raises:
        FileNotFoundError: if a folder is missing or empty.
        DatasetError: if a dataset is incomplete, or images of the reference cannot be used, with all of them.
    """
    find_images(generated_dir, suffix)  # before the reference is read
    grid = Grid(spacing, spatial_size, intensity_scale, intensity_percentiles)
    reference = read_reference(reference_dir, suffix, grid=grid, entities=entities, strict=strict)
    columns = Columns(
        num_pairs=num_pairs,
        seed=seed,
        kernel_size=kernel_size,
        encoder=encoder,
        num_four_gr_pairs=num_four_gr_pairs,
        read_by_network=read_by_network,
        num_resamples=num_resamples,
    )
    return evaluate_set(generated_dir, reference, output_dir, columns, suffix=suffix, sampler_rows=sampler_rows)


def evaluate_set(
    folder: str | os.PathLike[str],
    reference: Reference,
    output_dir: str | os.PathLike[str],
    columns: Columns,
    *,
    suffix: str = "T1w",
    real: bool = False,
    most: int | None = None,
    sampler_rows: Sequence[SamplerRow] | None = None,
) -> dict[str, Any]:
    """Evaluate one set of several that share a reference, of which everything is measured once.

    Args:
        folder: BIDS dataset, or a folder of NIfTI files.
        reference: what it is compared with.
        output_dir: folder of the results, see :func:`evaluate_generated`; made if missing.
        columns: what is measured.
        suffix: contrast.
        real: the images are no generator's: those of the held-out people are taken, and brought to the intensity scale
            of the reference.
        most: take so many images, the first ones; None for all.
        sampler_rows: as for :func:`evaluate_generated`.

    Returns:
        The content of metrics.json: JSON types only, None where a number is undefined.

    Raises:
        FileNotFoundError: if the folder is missing or empty.
        DatasetError: if a dataset is incomplete.
    """
    found = (held_out_images(folder, suffix)[0] if real else find_images(folder, suffix))[:most]
    measurements = measure_images(found, method=CLASSICAL)
    made = reference.grid.images([path for _, path, _ in found], real=real)
    held_out, seed = reference.held_out, columns.seed
    people = people_of(folder, found)
    pairs: dict[str, Any] = {"num_pairs": columns.num_pairs, "seed": seed, "kernel_size": columns.kernel_size}
    draws: dict[str, Any] = {"num_resamples": columns.num_resamples, "seed": seed}
    spacing = reference.grid.spacing
    equal = [n for n in columns.equal_numbers if n <= min(len(made), len(held_out))]
    metrics = finite_json(
        {
            "num_generated": len(made),
            "num_reference": len(held_out),
            "reference_split": reference.split,
            "num_resamples": columns.num_resamples,
            "num_unmeasured": sum(not np.isfinite(m.measured).all() for m in measurements),
            "fidelity": fidelity_with_intervals(measurements, **draws),
            "readings": _readings(found, people, **draws) if columns.read_by_network else None,
            "ms_ssim": {"generated": similarity(made, **pairs), "reference": similarity(held_out, **pairs)},
            "four_gr_ssim": structure(made, held_out, num_pairs=columns.num_four_gr_pairs, seed=seed),
            "features": feature_distances(made, held_out, columns.encoder, **draws),
            "other_features": [feature_distances(made, held_out, one, **draws) for one in columns.other_encoders],
            "equal_features": {
                str(n): feature_distances(made, held_out, columns.encoder, number=n, **draws) for n in equal
            },
            "power_ratio": power_ratio(made, held_out, spacing=spacing),
            "power_intervals": power_intervals(made, held_out, spacing=spacing, **draws),
            "memorisation": nearest_training_brains(made, reference.training, held_out, **draws),
            "conditional_variance": variance_within_conditions((made, people), (held_out, reference.people), **draws),
            "samplers": [asdict(row) for row in sampler_rows or []],
        }
    )
    out = Path(output_dir)
    write_measurements(out / "measured.tsv", measurements)
    atomic_write(out / "metrics.json", json.dumps(metrics, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "metrics.md", markdown(metrics))
    draw_requested_vs_measured(out / "requested_vs_measured.png", measurements)
    if metrics["memorisation"]:
        draw_closest_pairs(out / "closest_pairs.png", made, reference.training, held_out, spacing=spacing)
    logger.info("evaluation: %s\n%s", out / "metrics.md", markdown(metrics))
    return metrics


def _readings(images: Sequence[Found], people: Sequence[Mapping[str, Any]], **draws: int) -> dict[str, Any] | None:
    """Fidelity of what the segmenter reads; None for brains that nobody asked for anything."""
    if all(row.get(name) is None for row in people for name in COVARIATES):
        return None
    return reading_fidelity(read_brains([path for _, path, _ in images]), people, **draws)
