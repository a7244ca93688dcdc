"""The command line: ``python -m brain_bundles COMMAND``.

A command is a thin function with its imports inside, so that help is instant. Exit codes: 0 success, 1 a problem with
the data or the machine, 2 a wrong command line.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

logger = logging.getLogger("brain_bundles")


class UsageError(ValueError):
    """A wrong argument on the command line."""


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
    extract_brain: str | bool = False,
) -> None:
    """Measure lateral ventricles and brain (mL) of every brain-extracted T1w volume in a folder.

    To record the volumes in a BIDS dataset without volumes:
    ``python -c "from brain_bundles.data import write_volumes; write_volumes('DIR', 'measured.tsv')"``.
    Values that participants.tsv already has stay.

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
        extract_brain: true for whole heads, auto where the folder has both heads and brains.
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
            folder, suffix, extract_brain=extraction("extract_brain", extract_brain), **options
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
    if warning := outside_of_checked(measurements):
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
    spatial_size: Sequence[int] = (80, 96, 80),
    seed: int = 0,
    tumour_probability: float = 0.0,
    with_vessels: bool | None = None,
    num_workers: int | None = None,
    anatomies: str | None = None,
    whole_head: bool = False,
    freesurfer_labels: bool = False,
    stroke_probability: float = 0.0,
    sclerosis_probability: float = 0.0,
) -> None:
    """Write a population of digital brains with known truth as a BIDS dataset.

    Args:
        dataset_dir: new or empty folder.
        num_subjects: number of subjects.
        suffixes: one contrast or a list: T1w, T2w, PDw, FLAIR, ce-gadolinium_T1w, swi, angio.
        spacing: voxel size, mm.
        spatial_size: voxels to the right, to the front, to the top.
        seed: seed of the population; subject i depends only on this seed and i.
        tumour_probability: chance of a tumour per subject.
        with_vessels: True or False; by default vessels are drawn if swi, angio or ce-gadolinium_T1w is requested.
        num_workers: number of processes, by default one per core.
        anatomies: folder of label maps with FreeSurfer's numbers; by default the MNI152 template is deformed.
        whole_head: images with skull and scalp, and brain masks; needs anatomies that have them, such as SynthSeg's.
        freesurfer_labels: write a segmentation with FreeSurfer's numbers, too; needs anatomies.
        stroke_probability: chance of an old stroke per subject; needs anatomies.
        sclerosis_probability: chance of multiple sclerosis per subject; needs anatomies.
    """
    from brain_bundles.phantom import write_phantoms

    names = suffixes.split(",") if isinstance(suffixes, str) else [text("suffixes", name) for name in suffixes]
    write_phantoms(
        text("dataset_dir", dataset_dir),
        num_subjects=whole("num_subjects", num_subjects, least=1),
        suffixes=[name.strip() for name in names],
        spacing=number("spacing", spacing, least=0.5, most=8.0),
        spatial_size=[whole("spatial_size", size, least=2) for size in triple("spatial_size", spatial_size)],
        seed=whole("seed", seed, least=0),
        tumour_probability=number("tumour_probability", tumour_probability, least=0.0, most=1.0),
        with_vessels=None if with_vessels is None else truth("with_vessels", with_vessels),
        num_workers=None if num_workers is None else whole("num_workers", num_workers, least=1),
        anatomies=None if anatomies is None else text("anatomies", anatomies),
        whole_head=truth("whole_head", whole_head),
        freesurfer_labels=truth("freesurfer_labels", freesurfer_labels),
        stroke_probability=number("stroke_probability", stroke_probability, least=0.0, most=1.0),
        sclerosis_probability=number("sclerosis_probability", sclerosis_probability, least=0.0, most=1.0),
    )


def pack(
    *,
    output_dir: str = "dist",
    bundles_dir: str = "bundles",
    bundles: str | Sequence[str] | None = None,
    index: str = "models/model_info.json",
    base_url: str = "",
    format: str = "zip",  # noqa: A002  # the name of the option
) -> None:
    """Pack the bundles for a release: one zip per bundle, which runs by itself, and the index that monai.bundle reads.

    Args:
        output_dir: folder for the results.
        bundles_dir: folder of the bundles.
        bundles: names of the bundles to pack; by default all with a trained model.
        index: the collection's model_info.json; a version that it lists with other files is refused.
        base_url: download address of the zips, https://github.com/OWNER/REPO/releases/download/TAG.
        format: zip, or huggingface for folders that are model repositories of the hub.
    """
    from brain_bundles.zoo import pack as pack_bundles

    names = None if bundles is None else bundles.split(",") if isinstance(bundles, str) else bundles
    pack_bundles(
        text("output_dir", output_dir),
        bundles_dir=text("bundles_dir", bundles_dir),
        bundles=None if names is None else [text("bundles", name).strip() for name in names],
        index=text("index", index),
        base_url=text("base_url", base_url),
        form=text("format", format),
    )


def convert(
    src: str,
    *,
    output_dir: str,
    bundle: str = "brain_mri_generator",
    bundles_dir: str = "bundles",
    verify: bool = False,
) -> None:
    """Convert published weights (monai-generative's or MONAI core's, at the published size) to those of a bundle.

    Args:
        src: a checkpoint, or a folder with autoencoder.pth and diffusion_model.pth; any file names are allowed.
        output_dir: folder for autoencoder.pt and model.pt; run the bundle with configs/paper.json and --ckpt_dir.
        bundle: name of the bundle; only brain_mri_generator.
        bundles_dir: folder of the bundles.
        verify: compare with the original networks on random inputs (monai-generative's need the extra legacy).
    """
    from brain_bundles.zoo import convert as convert_weights

    convert_weights(
        text("src", src),
        text("output_dir", output_dir),
        bundle=text("bundle", bundle),
        bundles_dir=text("bundles_dir", bundles_dir),
        verify=truth("verify", verify),
    )


def recipe(weights: str, *, set: dict[str, object] | None = None) -> None:  # noqa: A002  # the name of the option
    """Print the recipe of a file of weights: the settings that the network was trained with, as JSON.

    Exit code 1 if it has none. The keys are explained in docs/recipe.md.

    Args:
        weights: a state dict, .pt or .safetensors, such as models/model.pt.
        set: settings to write into the file first, "{'spacing': 2.0, 'prediction_type': 'epsilon'}"; None removes one.
    """
    import json

    from brain_bundles.zoo.weights_recipe import change_recipe, show_recipe

    path = text("weights", weights)
    if set is not None and not isinstance(set, dict):
        raise UsageError(f"set must be settings by name, such as \"{{'spacing': 2.0}}\", got {set!r}.")
    found = show_recipe(path) if set is None else change_recipe(path, set)
    if not found:
        raise ValueError(f"{path} has no recipe; write one with --set \"{{'spacing': 2.0, ...}}\".")
    print(json.dumps(found, indent=4, ensure_ascii=False))


def verify(path: str) -> None:
    """Check any MONAI bundle before it runs, without running any of it.

    Prints everything that is wrong and everything that could not be judged, with its file and key, and how many parts
    were judged. Exit code 0: all was judged and nothing was found, 1: otherwise, 2: the bundle cannot be read.

    Args:
        path: folder or zip of a bundle.
    """
    from bundle_verify import UnreadableBundleError
    from bundle_verify import verify as verify_bundle

    try:
        report = verify_bundle(text("path", path))
    except (UnreadableBundleError, OSError, ImportError) as error:
        logger.error("%s", error)
        raise SystemExit(2) from error
    for finding in report.findings:
        print(finding)
    logger.info("%s: %s", path, report)
    if report.findings:
        raise SystemExit(1)


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

    Args:
        source: folder of the download.
        dest: folder for the result. Look at prepare/index.html in it.
        level: participant prepares visits, group writes the tables over all of them, all does both.
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
        extraction_method: method of brain extraction, such as deepbet.
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
        participants=several("participant_label", participant_label),
        sessions=several("session_id", session_id),
        table=None if table is None else text("table", table),
        mask=None if mask is None else text("mask", mask),
        entities=None if entities is None else {str(key): str(value) for key, value in entities.items()},
        split=truth("split", split),
        num_workers=None if num_workers is None else whole("num_workers", num_workers, least=1),
    )


COMMANDS: dict[str, Callable[..., None]] = {
    "convert": convert,
    "measure": measure,
    "pack": pack,
    "phantom": phantom,
    "prepare": prepare,
    "recipe": recipe,
    "verify": verify,
}


def text(name: str, value: object) -> str:
    """A path or a word. Fire reads 7 as a number and True as a truth value, but a folder may be called 7."""
    if isinstance(value, bool) or value is None:
        raise UsageError(f"{name} needs a value, got {value!r}.")
    if not isinstance(value, (str, int, float)):
        raise UsageError(f"{name} must be text, got {value!r}; quote it.")
    return str(value)


def matching_files(patterns: Sequence[str]) -> list[str]:
    """Files that match any of the patterns, in order.

    Raises:
        FileNotFoundError: for a pattern that no file matches.
    """
    from glob import glob

    found = {pattern: glob(pattern) for pattern in patterns}
    if empty := [pattern for pattern, files in found.items() if not files]:
        raise FileNotFoundError(f"no file matches {', '.join(empty)}.")
    return sorted({file for files in found.values() for file in files})


def whole(name: str, value: object, *, least: int) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return value


def number(name: str, value: object, *, least: float = float("-inf"), most: float = float("inf")) -> float:
    """A number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}.")
    return float(value)


def truth(name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is True or False, got {value!r}.")
    return value


def extraction(name: str, value: object) -> bool | str:
    """True, False or "auto", in any spelling."""
    known: dict[str, bool | str] = {"auto": "auto", "true": True, "false": False}
    if str(value).lower() not in known:
        raise UsageError(f"{name} is auto, true or false, got {value!r}.")
    return known[str(value).lower()]


def several(name: str, value: object) -> list[str] | None:
    """One word, words with commas between them, or a list of words; None stays None."""
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    return [text(name, word).strip() for word in words]


def triple(name: str, value: object) -> Sequence[object]:
    """Three values, one per axis."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise UsageError(f"{name} must be three numbers, for example [80,96,80], got {value!r}.")
    return value


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse misspelt options before anything runs: Fire would first run the command without them.

    Raises:
        UsageError: for an unknown option; the message lists the options of the command.
    """
    if not arguments or arguments[0] not in COMMANDS:
        return
    known = list(inspect.signature(COMMANDS[arguments[0]]).parameters)
    for argument in arguments[1:]:
        if argument == "--":
            return  # Fire's own flags follow
        flag = argument.lstrip("-").split("=")[0].replace("-", "_")
        if argument.startswith("--") and flag not in {*known, "help", *(f"no{name}" for name in known)}:
            near = difflib.get_close_matches(flag, known, n=1)
            hint = f"; did you mean --{near[0]}?" if near else "."
            raise UsageError(
                f"{arguments[0]} has no option --{flag}, it has {', '.join(f'--{n}' for n in known)}{hint}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 or 2."""
    import fire

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        check_flags(arguments)
        fire.Fire(COMMANDS, command=arguments or ["--help"], name="python -m brain_bundles")
    except UsageError as error:
        logger.error("%s See: python -m brain_bundles %s --help", error, arguments[0])
        return 2
    except (ValueError, OSError, ImportError) as error:
        logger.error("%s", error)
        return 1
    except SystemExit as error:  # Fire: 0 after help, 2 for a command line that it cannot parse
        return error.code if isinstance(error.code, int) else 1
    return 0
