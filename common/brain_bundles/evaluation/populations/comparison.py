"""Comparison of two sets of brain images: what differs, by how much, and whether a classifier can tell them apart."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.measurement import CLASSICAL, measure_file
from brain_bundles.evaluation.populations.choice import choose_people
from brain_bundles.evaluation.populations.classifier_tests import run_tests
from brain_bundles.evaluation.populations.features import describe_images
from brain_bundles.evaluation.populations.image_set import load_images
from brain_bundles.evaluation.populations.people import Visit, find_people
from brain_bundles.evaluation.populations.pictures import draw_brains, draw_curves, draw_volumes
from brain_bundles.evaluation.populations.report import markdown
from brain_bundles.evaluation.populations.summaries import (
    summarise_features,
    summarise_power,
    summarise_similarity,
    summarise_tissues,
    summarise_volumes,
)
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.utils.atomic import atomic_write

logger = logging.getLogger(__name__)
Folder = str | os.PathLike[str]
_UNMEASURED = BrainVolumes(float("nan"), float("nan"))


def compare_populations(
    first: Folder,
    second: Folder,
    output_dir: Folder,
    *,
    contrasts: Sequence[str] | None = None,
    num_people: int = 100,
    num_pairs: int = 100,
    epochs: int = 20,
    seed: int = 0,
    spacing: float = 2.0,
    spatial_size: Sequence[int] = (80, 96, 80),
    kernel_size: int = 5,
    progress: bool = True,
) -> dict[str, Any]:
    """Compare two sets of brain-extracted images; write comparison.json, comparison.md and pictures.

    Both sets are preprocessed alike, and as many people are taken of one as of the other.

    Args:
        first, second: folders, see :func:`find_people`. Ratios are of the first to the second, so the second is
            usually the real one.
        output_dir: folder of the results; made if missing.
        contrasts: contrasts to compare; by default those that enough people of both sets have.
        num_people: people of each set, at most; drawn by the seed where there are more.
        num_pairs: pairs of people for each MS-SSIM.
        epochs: length of the training of the network that tells the sets apart.
        seed: seed of all draws.
        spacing: voxel size of the grid, mm.
        spatial_size: (D, H, W) of the grid.
        kernel_size: window of MS-SSIM, see :func:`brain_bundles.metrics.ms_ssim_over_pairs`.
        progress: show progress bars.

    Returns:
        The content of comparison.json: JSON types only, None where a number is not known.

    Raises:
        FileNotFoundError: if a folder is missing or has no images.
        ValueError: if fewer than 10 people of a set have a contrast.
        DatasetError: with every image that cannot be read or is a whole head.
        OptionalImportError: if scikit-learn, nilearn or matplotlib is missing.
    """
    sets = find_people(first, contrasts), find_people(second, contrasts)
    chosen = choose_people(sets, (first, second), contrasts, most=num_people, seed=seed)
    out = Path(output_dir)
    found: dict[str, Any] = {}
    everyone: tuple[dict[str, Visit], dict[str, Visit]] = ({}, {})
    measured: dict[Path, BrainVolumes] = {}
    for contrast, pair in chosen.items():
        images, features = [], []
        for name, visits, known in zip("AB", pair, everyone, strict=True):
            known.update({visit.name: visit for visit in visits if "T1w" in visit.paths})
            text = f"{contrast} of {name}"
            one = load_images(
                visits, contrast, spacing=spacing, spatial_size=spatial_size, progress=text if progress else None
            )
            _measure(visits, measured, f"volumes of {name}" if progress else None)
            images.append(one)
            features.append(describe_images(one, [_volumes_of(visit, measured) for visit in visits], spacing))
        found[contrast] = {
            "num_people": len(pair[0]),
            "tissues": [summarise_tissues(one.levels) for one in images],
            "power": summarise_power(images),
            "ms_ssim": summarise_similarity(
                images,
                num_pairs=num_pairs,
                seed=seed,
                kernel_size=kernel_size,
                progress=f"{contrast}: MS-SSIM" if progress else None,
            ),
            "features": summarise_features(features),
            "two_sample": run_tests(
                images,
                features,
                epochs=epochs,
                seed=seed,
                spacing=spacing,
                progress=f"{contrast}: tell apart" if progress else None,
            ),
        }
        draw_brains(out / f"{contrast}.png", images, contrast, spacing)
        draw_curves(out / f"{contrast}_curves.png", images, contrast)
    people = [list(known.values()) for known in everyone]
    sizes = [[_volumes_of(visit, measured) for visit in visits] for visits in people]
    draw_volumes(out / "volumes.png", people, sizes)
    results: dict[str, Any] = finite_json(
        {
            "first": os.fspath(first),
            "second": os.fspath(second),
            "seed": seed,
            "spacing": spacing,
            "spatial_size": list(spatial_size),
            "volumes": {
                name: [summarise_volumes(*one, name) for one in zip(people, sizes, strict=True)] for name in VOLUMES
            },
            "contrasts": found,
        }
    )
    atomic_write(out / "comparison.json", json.dumps(results, indent=4, allow_nan=False) + "\n")
    atomic_write(out / "comparison.md", markdown(results))
    logger.info("comparison: %s\n%s", out / "comparison.md", markdown(results))
    return results


def _measure(visits: Iterable[Visit], measured: dict[Path, BrainVolumes], progress: str | None) -> None:
    """Add the volumes of T1w images that are not measured yet."""
    paths = [visit.paths["T1w"] for visit in visits if "T1w" in visit.paths and visit.paths["T1w"] not in measured]
    for path in tqdm(paths, desc=progress, unit="brain", disable=progress is None):
        measured[path] = measure_file(path, method=CLASSICAL)


def _volumes_of(visit: Visit, measured: dict[Path, BrainVolumes]) -> BrainVolumes:
    return measured[visit.paths["T1w"]] if "T1w" in visit.paths else _UNMEASURED
