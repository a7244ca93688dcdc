"""Commands that run bundles: fetch one, generate, translate, segment."""

from __future__ import annotations

import logging
from typing import Any

from brain_bundles.cli.arguments import UsageError, settings, several, text, truth

logger = logging.getLogger("brain_bundles")


def get(bundle: str, *, release: str | None = None, sha256: str | None = None, replace: bool = False) -> None:
    """Fetch a bundle, check and verify it, keep it to be used by its name, offline, and print its folder.

    Example: brain-bundles get brain_mri_generator --release https://HOST/OWNER/REPO/releases/download/v0.1.0

    Args:
        bundle: name, or address of a zip. A name that is there already is not fetched again.
        release: for a name: address of the release, where its model_info.json lies.
        sha256: hash that the zip must have; by default what the release says, for a name.
        replace: replace a bundle of that name that is there.
    """
    from brain_bundles.zoo import get_bundle

    hash_value = None if sha256 is None else text("sha256", sha256)
    address = None if release is None else text("release", release)
    print(get_bundle(text("bundle", bundle), release=address, sha256=hash_value, replace=truth("replace", replace)))


def generate(
    *,
    output_dir: str = "generated",
    bundle: str = "brain_mri_generator",
    overlays: str | list[str] | None = None,
    **options: Any,
) -> None:
    """Generate brains with given age (years), sex (M, F) and volumes (mL), as a BIDS dataset.

    Every key of the bundle's configs/inference.json is an option, such as num_samples, age, sex, ventricular_volume,
    brain_volume, conditions, seed, sampler, num_inference_steps, device.

    Example: brain-bundles generate --age 80 --sex F --num_samples 4 --output_dir brains

    Args:
        output_dir: folder for the results; a run that was stopped goes on there.
        bundle: name, folder or zip of the bundle.
        overlays: configs that go over its inference: of the bundle, such as few_steps, or files of your own.
    """
    _run(_load(bundle, overlays), output_dir, settings(options))


def translate(
    scans: str,
    *,
    targets: str | list[str] | None = None,
    source: str | None = None,
    output_dir: str = "translated",
    bundle: str = "brain_mri_adaptive_translator",
    overlays: str | list[str] | None = None,
    **options: Any,
) -> None:
    """Translate scans from one contrast to others, each in its own space.

    Every key of the bundle's configs/inference.json is an option, such as extract_brain, strict, seed, num_draws.

    Example: brain-bundles translate scan_T1w.nii.gz --source T1w --targets T2w,FLAIR --extract_brain auto

    Args:
        scans: a NIfTI file, a folder of them, or a BIDS dataset.
        targets: contrasts to make, or "missing" for what each subject of a dataset lacks; by default the bundle's.
        source: contrast of the scans; by default the bundle's.
        output_dir: folder for the results; a run that was stopped goes on there.
        bundle: name, folder or zip of the bundle.
        overlays: configs that go over its inference: of the bundle, such as flair of the slice translator, or files
            of your own.
    """
    from brain_bundles.bundle import Translator

    loaded = _load(bundle, overlays)
    options = {**settings(options), **_scans(scans)}
    if source is not None:
        options["source"] = text("source", source)
    words = several("targets", targets)
    if words is not None:
        if not isinstance(loaded, Translator):
            raise UsageError(f"{bundle} is no translator.")
        options |= {"targets": "missing"} if words == ["missing"] else loaded.target_option(words)
    _run(loaded, output_dir, options)


def segment(
    scans: str,
    *,
    output_dir: str = "segmented",
    bundle: str = "brain_mri_segmenter",
    overlays: str | list[str] | None = None,
    **options: Any,
) -> None:
    """Find the brain and its parts in scans of any contrast, whole heads or brains, each in its own space.

    Every key of the bundle's configs/inference.json is an option, such as flip, minimum_quality, device.

    Example: brain-bundles segment scan.nii.gz --output_dir segmented

    Args:
        scans: a NIfTI file, a folder of them, or a BIDS dataset.
        output_dir: folder for the results; a run that was stopped goes on there.
        bundle: name, folder or zip of the bundle.
        overlays: configs that go over its inference: files of your own.
    """
    _run(_load(bundle, overlays), output_dir, {**settings(options), **_scans(scans)})


def _scans(scans: str) -> dict[str, Any]:
    """The options that name the scans: a dataset, or files."""
    from pathlib import Path

    path = text("scans", scans)
    if (Path(path) / "dataset_description.json").is_file():
        return {"dataset_dir": path, "input": None}
    return {"dataset_dir": None, "input": path}


def _load(bundle: str, overlays: str | list[str] | None) -> Any:
    from brain_bundles.bundle import load

    try:
        return load(text("bundle", bundle), overlays=several("overlays", overlays) or ())
    except ValueError as error:
        raise UsageError(str(error)) from error


def _run(loaded: Any, output_dir: str, options: dict[str, Any]) -> None:
    try:
        loaded.check(options)
    except ValueError as error:
        raise UsageError(str(error)) from error
    output = loaded.run(text("output_dir", output_dir), **options)
    logger.info("%d images in %s, a picture in %s", len(output.rows), output.output_dir, output.log_dir)
