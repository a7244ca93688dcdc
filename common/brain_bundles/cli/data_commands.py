"""Commands about images: make phantoms, prepare a download, measure brains."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from brain_bundles.cli.arguments import (
    UsageError,
    extraction,
    matching_files,
    number,
    several,
    text,
    triple,
    truth,
    whole,
)

logger = logging.getLogger("brain_bundles")


def measure(
    folder: str,
    *,
    suffix: str = "T1w",
    output_file: str = "measured.tsv",
    overwrite: bool = False,
    entities: Mapping[str, object] | None = None,
    participant_label: str | int | Sequence[str | int] | None = None,
    session_id: str | int | Sequence[str | int] | None = None,
    merge: str | Sequence[str] | None = None,
    method: str = "network",
    segmenter: str | None = None,
    extract_brain: str | bool = False,
) -> None:
    """Measure lateral ventricles and brain (mL) of every head or brain in a folder, in any contrast.

    docs/how-to/lay_out_your_data.md says how the volumes come into the table of a dataset that has none.

    Example: brain-bundles measure brains --output_file measured.tsv

    Args:
        folder: a BIDS dataset, or a folder of NIfTI files.
        suffix: contrast to measure in a BIDS dataset.
        output_file: table to write. It has the volumes of participants.tsv beside the measured ones; their agreement is
            logged.
        overwrite: replace a table that exists.
        entities: labels of the images to choose in a BIDS dataset, such as {'acq':'3D','run':1}.
        participant_label: participants of a BIDS dataset to measure, such as 01 or 01,02, so that several runs share
            the work, each with an output_file of its own; all by default.
        session_id: sessions to measure, such as 01 or 01,02; all by default.
        merge: measure nothing, but make one table of those that several runs wrote, such as 'parts/*.tsv'.
        method: network, the segmenter, for any contrast and head; or classical, rules for brain-extracted T1w images.
        segmenter: weights of another segmenter than the one that comes with the collection.
        extract_brain: for classical: true for whole heads, auto where the folder has both heads and brains.
    """
    from pathlib import Path

    from brain_bundles.evaluation.measurement import (
        fidelity_of,
        measure_folder,
        merge_measurements,
        outside_of_checked,
        write_measurements,
    )

    folder, suffix, output_file = text("folder", folder), text("suffix", suffix), text("output_file", output_file)
    table = Path(output_file).absolute()
    overwrite = truth("overwrite", overwrite)
    if table.exists() and not overwrite:
        raise FileExistsError(f"{table} exists; give another --output_file, or --overwrite to replace it.")
    options: dict[str, Any] = {"entities": entities, "participant_label": participant_label, "session_id": session_id}
    if merge is None:
        measurements = measure_folder(
            folder,
            suffix,
            method=text("method", method),
            segmenter=None if segmenter is None else text("segmenter", segmenter),
            extract_brain=extraction("extract_brain", extract_brain),
            **options,
        )
    else:
        patterns = [text("merge", one) for one in ([merge] if isinstance(merge, str) else merge)]
        measurements = merge_measurements(folder, matching_files(patterns), suffix, **options)
    unmeasured = sum(m.measured.ventricular_volume != m.measured.ventricular_volume for m in measurements)
    shared = merge is not None or participant_label is not None or session_id is not None
    if unmeasured == len(measurements) and not shared:  # a part may consist of one brain that cannot be measured
        raise ValueError(f"{folder}: none of {unmeasured} brains could be measured; no table was written.")
    write_measurements(table, measurements, overwrite=overwrite)
    logger.info("Wrote %s: %d brains, %d of them could not be measured", table, len(measurements), unmeasured)
    if method == "classical" and (warning := outside_of_checked(measurements)):
        logger.warning("%s", warning)
    for name, f in fidelity_of(measurements).items():
        if f.n == 0:
            continue
        correlation = f"r {f.pearson_r:.3f}, slope {f.slope:.3f}, " if f.pearson_r == f.pearson_r else ""
        logger.info(
            "%s: %smean error %+.1f mL (%+.1f %%) over %d brains",
            name,
            correlation,
            f.mean_error,
            100 * f.mean_relative_error,
            f.n,
        )


def phantom(
    dataset_dir: str,
    *,
    num_subjects: int = 200,
    suffixes: str | Sequence[str] = "T1w",
    spacing: float = 2.0,
    spatial_size: Sequence[int] | None = None,
    seed: int = 0,
    tumour_probability: float = 0.0,
    with_vessels: bool | None = None,
    num_workers: int | None = None,
    anatomies: str | None = None,
    whole_head: bool = False,
    freesurfer_labels: bool = False,
    stroke_probability: float = 0.0,
    sclerosis_probability: float = 0.0,
    acquisition: str = "nominal",
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> None:
    """Write a population of digital brains with known truth as a BIDS dataset.

    Example: brain-bundles phantom phantoms --num_subjects 12 --suffixes T1w,T2w,FLAIR

    Args:
        dataset_dir: new or empty folder.
        num_subjects: number of subjects.
        suffixes: one contrast or a list: T1w, T2w, PDw, FLAIR, ce-gadolinium_T1w, swi, angio.
        spacing: voxel size, mm.
        spatial_size: voxels to the right, to the front, to the top; by default what holds a head.
        seed: seed of the population; subject i depends only on this seed and i.
        tumour_probability: chance of a tumour per subject.
        with_vessels: True or False; by default vessels are drawn if swi, angio or ce-gadolinium_T1w is requested.
        num_workers: number of processes, by default one per core.
        anatomies: folder of label maps with FreeSurfer's numbers; by default the MNI152 template is deformed.
        whole_head: images with what surrounds the brain, and brain masks: of anatomies that have it (SynthSeg's);
            without anatomies a skull, fat and skin.
        freesurfer_labels: write a segmentation with FreeSurfer's numbers, too; needs anatomies.
        stroke_probability: chance of an old stroke per subject; needs anatomies.
        sclerosis_probability: chance of multiple sclerosis per subject; needs anatomies.
        acquisition: nominal for one scanner, varied for many, random for any contrast; needs anatomies.
        val_fraction: share of the subjects that is of the split val.
        test_fraction: share of the split test; whoever is left is of the training.
    """
    from brain_bundles.phantom import write_phantoms

    names = suffixes.split(",") if isinstance(suffixes, str) else [text("suffixes", name) for name in suffixes]
    write_phantoms(
        text("dataset_dir", dataset_dir),
        num_subjects=whole("num_subjects", num_subjects, least=1),
        suffixes=[name.strip() for name in names],
        spacing=number("spacing", spacing, least=0.5, most=8.0),
        spatial_size=None
        if spatial_size is None
        else [whole("spatial_size", size, least=2) for size in triple("spatial_size", spatial_size)],
        seed=whole("seed", seed, least=0),
        tumour_probability=number("tumour_probability", tumour_probability, least=0.0, most=1.0),
        with_vessels=None if with_vessels is None else truth("with_vessels", with_vessels),
        num_workers=None if num_workers is None else whole("num_workers", num_workers, least=1),
        anatomies=None if anatomies is None else text("anatomies", anatomies),
        whole_head=truth("whole_head", whole_head),
        freesurfer_labels=truth("freesurfer_labels", freesurfer_labels),
        stroke_probability=number("stroke_probability", stroke_probability, least=0.0, most=1.0),
        sclerosis_probability=number("sclerosis_probability", sclerosis_probability, least=0.0, most=1.0),
        acquisition=text("acquisition", acquisition),
        val_fraction=number("val_fraction", val_fraction, least=0.0, most=1.0),
        test_fraction=number("test_fraction", test_fraction, least=0.0, most=1.0),
    )


def prepare(
    source: str,
    dest: str,
    level: str = "all",
    *,
    layout: str | None = None,
    participant_label: str | Sequence[str] | None = None,
    session_id: str | Sequence[str] | None = None,
    contrasts: str | Sequence[str] | None = None,
    reference: str | None = None,
    table: str | None = None,
    mask: str | None = None,
    entities: Mapping[str, object] | None = None,
    reorient: bool = True,
    bias_field: bool = True,
    registration: bool = True,
    extract_brain: str | bool = "auto",
    extraction_method: str | None = None,
    segmenter: str | None = None,
    spacing: float | bool | None = 1.0,
    checks: bool = True,
    volumes: bool = True,
    split: bool = True,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    num_workers: int | None = None,
) -> None:
    """Prepare a download for training and translation: registered contrasts on one grid, brain-extracted, as BIDS.

    A later start continues. A visit that cannot be prepared is named and left out, and the exit code is then 1.

    Example: brain-bundles prepare /data/IXI /data/bids --num_workers 4

    Args:
        source: folder of the download.
        dest: folder for the result. Look at prepare/index.html in it.
        level: participant prepares visits, group writes their tables, all does both.
        layout: ixi, oasis, uk_biobank, rire, brats, bids, dicom or folder; detected by default.
        participant_label: prepare these participants only, one label or a list.
        session_id: prepare these sessions only, one label or a list.
        contrasts: take these contrasts only, one or a list: T1w, T2w, PDw, FLAIR, ce-gadolinium_T1w, swi, angio.
        reference: contrast that the others are registered to; by default T1w where it is there.
        table: table of ages and sexes, where the layout's own is not in the download.
        mask: ending of the names of brain masks beside the images, such as brainmask.
        entities: which of several files of a contrast to take, such as "{'acq': '3D'}".
        reorient: turn the axes to RAS.
        bias_field: correct the bias field (N4).
        registration: register contrasts and visits of a person rigidly.
        extract_brain: auto extracts the brain of whole heads, true of every image, false of none.
        extraction_method: deepbet or segmenter; by default the first one that is there.
        segmenter: weights of another segmenter than the one that comes with the collection.
        spacing: voxel size of the result, mm; False keeps the grid of the reference.
        checks: warn of what looks doubtful.
        volumes: measure ventricles and brain where the table has none.
        split: add a split into train, val and test, by a hash of the participant's id.
        val: share of the participants for validation.
        test: share of the participants for the test.
        seed: seed of the split.
        num_workers: number of processes, by default one per core.
    """
    from brain_bundles.prepare import Options
    from brain_bundles.prepare import prepare as prepare_download

    if entities is not None and not isinstance(entities, Mapping):
        raise UsageError(f"entities must be a mapping such as \"{{'acq': '3D'}}\", got {entities!r}.")
    options = Options(
        contrasts=several("contrasts", contrasts),
        reference=None if reference is None else text("reference", reference),
        reorient=truth("reorient", reorient),
        bias_field=truth("bias_field", bias_field),
        registration=truth("registration", registration),
        extract_brain=str(extraction("extract_brain", extract_brain)).lower(),
        extraction_method=None if extraction_method is None else text("extraction_method", extraction_method),
        segmenter=None if segmenter is None else text("segmenter", segmenter),
        spacing=None if spacing is None or spacing is False else number("spacing", spacing, least=0.3, most=5.0),
        checks=truth("checks", checks),
        volumes=truth("volumes", volumes),
        val=number("val", val, least=0.0, most=1.0),
        test=number("test", test, least=0.0, most=1.0),
        seed=whole("seed", seed, least=0),
    )
    prepare_download(
        text("source", source),
        text("dest", dest),
        level=text("level", level),
        layout=None if layout is None else text("layout", layout),
        options=options,
        participants=participant_label,
        sessions=session_id,
        table=None if table is None else text("table", table),
        mask=None if mask is None else text("mask", mask),
        entities=None if entities is None else {str(key): str(value) for key, value in entities.items()},
        split=truth("split", split),
        num_workers=None if num_workers is None else whole("num_workers", num_workers, least=1),
    )
