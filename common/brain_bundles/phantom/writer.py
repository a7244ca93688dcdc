"""The phantom population as a BIDS dataset on disk."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from brain_bundles.data.bids import (
    write_dataset_description,
    write_segmentation_description,
)
from brain_bundles.data.covariates import Covariates
from brain_bundles.data.participants import write_participants
from brain_bundles.phantom import recipe
from brain_bundles.phantom.atlas import load_atlas
from brain_bundles.phantom.head_dataset import HEAD_LICENSE, describe_head_derivatives, write_head_subject
from brain_bundles.phantom.heads.source import HeadSource, draw_person
from brain_bundles.phantom.heads.subject import LABEL_NAMES, HeadOptions
from brain_bundles.phantom.mr_signal import SEQUENCES
from brain_bundles.phantom.population import PopulationModel
from brain_bundles.phantom.scanner import acquisition_of
from brain_bundles.phantom.spec import PhantomSpec
from brain_bundles.phantom.template_subject import LABELS, LICENSE, SEGMENTATION, write_template_subject
from brain_bundles.phantom.unfinished import UnfinishedDataset
from brain_bundles.utils.seeding import derive_seed
from brain_bundles.version import __version__
from brain_bundles.workers import end_with_parent, num_cores

logger = logging.getLogger(__name__)

# Forked workers share the atlas. macOS has fork, too, but its libraries crash in forked processes.
START_METHOD = "fork" if sys.platform == "linux" else None  # None: the platform's own
SPACING_MM = 2.0
SIZE_MM = (160.0, 192.0, 160.0)
TURNED_MM = (208.0, 224.0, 208.0)
VESSEL_SUFFIXES = ("swi", "angio", "ce-gadolinium_T1w")  # the contrast agent stays in the blood of a healthy brain


def _write_subject(
    dataset_dir: Path, participant_id: str, covariates: Covariates, seed: int, spec: PhantomSpec
) -> dict[str, object]:
    write = write_template_subject if spec.head is None else write_head_subject
    return write(dataset_dir, participant_id, covariates, seed, spec)


def _groups(specs: Sequence[PhantomSpec]) -> list[list[int]]:
    """Indices of subjects that one process writes: those of one anatomy, which is prepared once; else each alone."""
    groups: dict[object, list[int]] = {}
    for index, spec in enumerate(specs):
        groups.setdefault(spec.head.anatomy if spec.head else index, []).append(index)
    return list(groups.values())


def _start_worker(parent: int) -> None:
    torch.set_num_threads(1)  # as many processes as cores: threads inside them would only wait for each other
    end_with_parent(parent)


def _finish_subject(
    unfinished: UnfinishedDataset, participant_id: str, covariates: Covariates, seed: int, spec: PhantomSpec
) -> dict[str, object]:
    """Write a subject and note that it is done."""
    row = _write_subject(unfinished.dataset_dir, participant_id, covariates, seed, spec)
    unfinished.keep(row)
    return row


def _finish_subjects(
    jobs: Sequence[tuple[UnfinishedDataset, str, Covariates, int, PhantomSpec]],
) -> list[dict[str, object]]:
    """Write several subjects one after the other."""
    return [_finish_subject(*job) for job in jobs]


def write_phantoms(
    dataset_dir: str | os.PathLike[str],
    *,
    num_subjects: int = 200,
    suffixes: Sequence[str] = ("T1w",),
    spacing: float = SPACING_MM,
    spatial_size: Sequence[int] | None = None,
    seed: int = 0,
    tumour_probability: float = 0.0,
    with_vessels: bool | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    num_workers: int | None = None,
    anatomies: str | os.PathLike[str] | None = None,
    whole_head: bool = False,
    freesurfer_labels: bool = False,
    stroke_probability: float = 0.0,
    sclerosis_probability: float = 0.0,
    acquisition: str = "nominal",
) -> Path:
    """Write a population of digital brains with known truth as a BIDS dataset, and return its folder.

    Subject *i* depends only on ``seed`` and *i*, not on the number of subjects or workers, or on the contrasts. There
    are two exceptions: ``with_vessels``, with a default that depends on the contrasts, and ``tumour_probability``. They
    change the anatomy that all contrasts share.

    Args:
        dataset_dir: new or empty folder, or one that an earlier start with the same arguments left unfinished: the
            subjects that are done stay.
        num_subjects: number of subjects.
        suffixes: contrasts, any of T1w, T2w, PDw, FLAIR, ce-gadolinium_T1w, swi, angio.
        spacing: voxel size, mm.
        spatial_size: (D, H, W) voxels; to the right, to the front, to the top. By default 160 x 192 x 160 mm, and
            208 x 224 x 208 mm where heads lie turned.
        seed: seed of the population.
        tumour_probability: chance of a tumour per subject.
        with_vessels: draw vascular trees; by default if ``suffixes`` has swi, angio or ce-gadolinium_T1w, which show
            them.
        val_fraction, test_fraction: shares of the subjects that participants.tsv marks ``val`` and ``test``; each gets
            at least one subject if its share is above 0 and there are three or more.
        num_workers: number of processes, by default one per core that this process may use.
        anatomies: folder of label maps with FreeSurfer's numbers; None for the MNI152 template, whose population is
            another one: three tissues, volumes that sex and head size do not shape.
        whole_head: images with what surrounds the brain, and brain masks: of anatomies that have it (SynthSeg's maps);
            without anatomies a skull, fat and skin, but no face and no neck.
        freesurfer_labels: write ``derivatives/freesurfer``, too: FreeSurfer's number of every structure.
        stroke_probability, sclerosis_probability: chance of an old stroke, and of multiple sclerosis, per subject.
        acquisition: "nominal", one scanner; "varied", what scanners do within a contrast; "random", levels drawn at
            random. The record of each scan is in the image's sidecar.

    ``freesurfer_labels`` and what follows it need ``anatomies``. With anatomies a subject depends on its split, too:
    its map is one of that split (:mod:`brain_bundles.phantom.heads.split`).

    Raises:
        FileExistsError: if ``dataset_dir`` is not empty, and not left unfinished by a start with the same arguments.
        FileNotFoundError: if ``anatomies`` is no folder with label maps.
        ValueError: for an unknown contrast or a number out of range; the message names it.
    """
    folder = Path(dataset_dir)
    suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    if not 0.5 <= spacing <= 8.0:
        raise ValueError(f"spacing is {spacing} mm, expected 0.5 to 8; the template has 1 mm.")
    shelled = whole_head and anatomies is None  # the heads of label maps fill the grid of a brain and are cut there
    needed = TURNED_MM if acquisition_of(acquisition).max_turn_deg or shelled else SIZE_MM
    if spatial_size is None:
        spatial_size = [round(mm / spacing) for mm in needed]
    size = (int(spatial_size[0]), int(spatial_size[1]), int(spatial_size[2]))
    _check(num_subjects, suffixes, size, tumour_probability, val_fraction, test_fraction)
    if with_vessels is None:
        with_vessels = any(suffix in VESSEL_SUFFIXES for suffix in suffixes)
    spec = PhantomSpec(
        suffixes,
        float(spacing),
        size,
        seed,
        tumour_probability,
        with_vessels,
        freesurfer_labels=freesurfer_labels,
        acquisition=acquisition,
        whole_head=whole_head,
    )
    seeds = [derive_seed(seed, "phantom", index) for index in range(num_subjects)]
    splits = _splits(num_subjects, val_fraction, test_fraction)
    ids = [f"sub-{index + 1:04d}" for index in range(num_subjects)]
    maps: dict[str, str] | None = None
    if anatomies is None:
        others = (freesurfer_labels, stroke_probability, sclerosis_probability, acquisition != "nominal")
        _refuse_head_options(*others)
        population = PopulationModel.default()
        people = [population.sample(1, np.random.default_rng(subject_seed))[0] for subject_seed in seeds]
        specs = [spec] * num_subjects
        entry, terms, labels = recipe.describe(seed), LICENSE, LABELS
    else:
        source = HeadSource.from_folder(anatomies)
        splits = source.possible(splits)
        options = HeadOptions(
            whole_head=whole_head,
            tumour_probability=tumour_probability,
            stroke_probability=_probability("stroke_probability", stroke_probability),
            sclerosis_probability=_probability("sclerosis_probability", sclerosis_probability),
            vessels=with_vessels,
        )
        people = [draw_person(subject_seed) for subject_seed in seeds]
        specs = [
            replace(spec, head=source.options_of(subject_seed, split, options))
            for subject_seed, split in zip(seeds, splits, strict=True)
        ]
        maps = source.hashes()
        entry, terms, labels = recipe.describe(seed, maps), HEAD_LICENSE, LABEL_NAMES
    # Nothing is written before the settings are known to be those of an unfinished start, if there was one.
    settings = {
        **asdict(spec),
        "num_subjects": num_subjects,
        "val_fraction": val_fraction,
        "test_fraction": test_fraction,
        "anatomies": maps,
        "stroke_probability": stroke_probability,
        "sclerosis_probability": sclerosis_probability,
        "version": __version__,
    }
    unfinished = UnfinishedDataset(folder, settings)
    describe_head_derivatives(folder, freesurfer_labels=freesurfer_labels, brain_mask=whole_head)
    write_dataset_description(folder, "Phantom population", license=terms, generated_by=entry)
    write_segmentation_description(folder, SEGMENTATION, labels, title="Tissue of the phantoms")

    rows = {name: row for name in ids if (row := unfinished.row(name)) is not None}
    if rows:
        logger.info("%s: %d phantoms are finished, continuing with the rest.", folder, len(rows))
    jobs = [(unfinished, *job) for job in zip(ids, people, seeds, specs, strict=True)]
    tasks = [[jobs[index] for index in group if ids[index] not in rows] for group in _groups(specs)]
    tasks = sorted((task for task in tasks if task), key=len, reverse=True)  # the last ones are short: all end together
    if anatomies is None:
        load_atlas(spec.spacing)  # before the workers fork, so that they share it
    workers = min(len(tasks), num_workers if num_workers is not None else num_cores())
    with tqdm(total=num_subjects, initial=len(rows), desc=f"phantoms -> {folder}", unit="brain", disable=None) as bar:
        if workers <= 1:
            for job in (job for task in tasks for job in task):
                rows[job[1]] = _finish_subject(*job)
                bar.update()
        else:
            context = multiprocessing.get_context(START_METHOD)
            with ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),)) as pool:
                for task, written in zip(tasks, pool.map(_finish_subjects, tasks), strict=True):
                    rows.update({job[1]: row for job, row in zip(task, written, strict=True)})
                    bar.update(len(task))
    table = [{**rows[name], "split": split} for name, split in zip(ids, splits, strict=True)]
    write_participants(folder, table)  # last: a dataset without its table is unfinished
    unfinished.finish()
    logger.info("wrote %d phantoms to %s", num_subjects, folder)
    return folder


def _probability(name: str, value: float) -> float:
    """Return a probability, or raise ValueError."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}, expected 0 to 1.")
    return float(value)


def _refuse_head_options(*options: bool | float) -> None:
    """Raise ValueError if an option is on that only label maps have."""
    if any(options):
        raise ValueError(
            "freesurfer_labels, stroke_probability, sclerosis_probability and acquisition need anatomies: "
            "a folder of label maps; the template has none of them."
        )


def _check(
    num_subjects: int,
    suffixes: tuple[str, ...],
    size: tuple[int, int, int],
    tumour_probability: float,
    val_fraction: float,
    test_fraction: float,
) -> None:
    if num_subjects < 1:
        raise ValueError(f"num_subjects is {num_subjects}, expected at least 1.")
    if unknown := [suffix for suffix in suffixes if suffix not in SEQUENCES]:
        raise ValueError(f"unknown contrasts {unknown}, known are {', '.join(SEQUENCES)}.")
    if not suffixes:
        raise ValueError(f"suffixes is empty, choose from {', '.join(SEQUENCES)}.")
    if min(size) < 2:
        raise ValueError(f"spatial_size is {size}, expected at least 2 voxels along each axis.")
    if not 0.0 <= tumour_probability <= 1.0:
        raise ValueError(f"tumour_probability is {tumour_probability}, expected 0 to 1.")
    if min(val_fraction, test_fraction) < 0.0 or val_fraction + test_fraction >= 1.0:
        raise ValueError(
            f"val_fraction {val_fraction} and test_fraction {test_fraction} must be at least 0 and leave training data."
        )


def _splits(num_subjects: int, val_fraction: float, test_fraction: float) -> list[str]:
    """Split of each subject. Subjects are exchangeable, so the last ones are held out."""
    held_out = [
        max(1, round(num_subjects * f)) if f > 0 and num_subjects >= 3 else 0 for f in (val_fraction, test_fraction)
    ]
    return ["train"] * (num_subjects - sum(held_out)) + ["val"] * held_out[0] + ["test"] * held_out[1]
