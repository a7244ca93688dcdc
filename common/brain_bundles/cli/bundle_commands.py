"""Commands about bundles and their weights: pack, verify, convert, export, and show or write a recipe."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from brain_bundles.cli.arguments import (
    UsageError,
    settings,
    text,
    truth,
)

logger = logging.getLogger("brain_bundles")


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

    Example: brain-bundles pack --base_url https://github.com/OWNER/REPO/releases/download/v0.2.0

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

    Example: brain-bundles convert published/ --output_dir converted

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


def export(bundle: str, *, output_file: str, form: str | None = None, overwrite: bool = False, **options: Any) -> None:
    """Write a bundle's inference as one file that runs without this package, and print its description as JSON.

    From an image (or covariates), the target where there are several, and noise, to the volume on the model's grid.
    Every key of the bundle's configs/inference.json is an option, such as num_inference_steps, sampler, ckpt_dir.
    docs/how-to/export_a_bundle.md shows how to run the file.

    Example: brain-bundles export brain_mri_adaptive_translator --output_file translator.onnx

    Args:
        bundle: name, folder or zip of the bundle.
        output_file: file to write.
        form: onnx (needs the extra export) or torchscript; by default what the file's ending says, .onnx, .ts or .pt.
        overwrite: replace a file that is there.
    """
    import json

    from brain_bundles.bundle import load
    from brain_bundles.export import export_bundle, form_of

    path = text("output_file", output_file)
    options = settings(options)
    loaded = load(text("bundle", bundle))
    try:
        form = form_of(path, None if form is None else text("form", form))
        loaded.check(options)
    except ValueError as error:
        raise UsageError(str(error)) from error
    loaded.options |= options
    description = export_bundle(loaded, path, form=form, overwrite=truth("overwrite", overwrite))
    print(json.dumps(description, indent=4, ensure_ascii=False))


def recipe(weights: str, *, set: dict[str, object] | None = None) -> None:  # noqa: A002  # the name of the option
    """Print the recipe of a file of weights: the settings that the network was trained with, as JSON.

    Exit code 1 if it has none. The keys are explained in docs/reference/recipe.md.

    Example: brain-bundles recipe models/model.pt

    Args:
        weights: a state dict, .pt or .safetensors, such as models/model.pt.
        set: settings to write into the file first, "{'spacing': 2.0, 'prediction_type': 'epsilon'}"; None removes one.
    """
    import json

    from brain_bundles.utils.weights_recipe import change_recipe, show_recipe

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

    Example: brain-bundles verify brain_mri_generator_v0.1.0.zip

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
