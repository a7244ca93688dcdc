"""Convert published checkpoints to weights of the generator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import torch
from monai.bundle import ConfigParser
from torch import nn

from brain_bundles.utils.atomic import atomic_file
from brain_bundles.utils.loading import read_plain
from brain_bundles.utils.recipe import HISTORY, RECIPE_KEY, encode_recipe, recipe_of, with_recipe
from brain_bundles.zoo.published_weights import AUTOENCODER, UNET, plain_state, recognise, rename_for
from brain_bundles.zoo.reference_networks import compare_with_reference

logger = logging.getLogger(__name__)
BUNDLE = "brain_mri_generator"
FILES = {AUTOENCODER: "autoencoder.pt", UNET: "model.pt"}
# Settings of a diffusion network beside its grid; not the autoencoder's hash, since the files are converted one by one.
_SETTINGS = ("bounds", "head_size_reference", "prediction_type", "beta_start", "beta_end", "noise_schedule")
DEFINITIONS = {AUTOENCODER: "autoencoder_def", UNET: "network_def"}
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")


def convert(
    src: str | Path,
    output_dir: str | Path,
    *,
    bundle: str = BUNDLE,
    bundles_dir: str | Path = "bundles",
    overlays: Sequence[str] = ("paper",),
    verify: bool = False,
) -> list[Path]:
    """Convert an autoencoder, a diffusion UNet, or both.

    Latents stay unscaled (mean 0, standard deviation 1), as in the published models. Everything is converted before the
    first file is written.

    Args:
        src: a checkpoint, or a folder with one or two of them.
        output_dir: folder for ``autoencoder.pt`` and ``model.pt``.
        bundle: bundle of the networks; only the generator.
        bundles_dir: folder of the bundles.
        overlays: configs of the bundle, laid over ``inference.json``, that set the networks' sizes.
        verify: compare with the original networks on random inputs.

    Returns:
        the written files.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: for another bundle, a checkpoint that is not recognised or does not fit, the same kind twice, or a
            network whose outputs differ from the original's.
    """
    if bundle != BUNDLE:
        raise ValueError(
            f"published weights are known only for {BUNDLE}, not for {bundle!r}; "
            "see docs/how-to/use_published_weights.md."
        )
    config = _config(Path(bundles_dir) / bundle, overlays)
    converted: dict[str, dict[str, torch.Tensor]] = {}
    for path in _checkpoints(Path(src)):
        try:
            state = plain_state(read_plain(path))
            kind, form = recognise(state)
            if kind in converted:
                raise ValueError(f"is a second {kind}; give a folder with one of each.")
            network = config.get_parsed_content(DEFINITIONS[kind]).eval()
            converted[kind] = rename_for(network, state, *_own_part(kind, network))
            network.load_state_dict(converted[kind], strict=True)
            converted[kind][RECIPE_KEY] = encode_recipe(_recipe(kind, network, config, path.name, form))
            if verify:
                difference = compare_with_reference(network, state, kind, form, config)
                logger.info("%s: largest difference from the %s network of %s %.1e.", path.name, kind, form, difference)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        logger.info("%s: %s of %s, %d tensors", path, kind, form, len(state))
    targets = {kind: Path(output_dir) / FILES[kind] for kind in converted}
    with ExitStack() as both:  # both are complete before the first replaces an older file
        for kind, weights in converted.items():
            _save(weights, both.enter_context(atomic_file(targets[kind])), targets[kind])
    for target in targets.values():
        logger.info("Wrote %s.", target)
    if UNET in targets:
        logger.info(
            "The published network knows brain volumes normalised for head size: brain_volume times %s mL over "
            "intracranial_volume. Sample with configs/paper.json, and give or draw intracranial_volume.",
            config.get("head_size_reference"),
        )
    return list(targets.values())


def _recipe(kind: str, network: nn.Module, config: ConfigParser, name: str, form: str) -> dict[str, Any]:
    """Recipe of a converted network: the settings of the configs, which hold the published ones."""
    settings: dict[str, Any] = dict(config.get_parsed_content("image_recipe"))
    if kind == UNET:
        settings |= {name: config.get_parsed_content(f"diffusion_recipe::{name}") for name in _SETTINGS}
    history = [{"data": f"what its authors say; converted from {name} of {form}"}]
    return recipe_of(with_recipe(network, [settings, {HISTORY: history}]))


def _save(weights: dict[str, torch.Tensor], file: BinaryIO, target: Path) -> None:
    try:
        torch.save(weights, file)
    except (OSError, RuntimeError) as error:  # PyTorch may report a position in the file instead
        reason = error if isinstance(error, OSError) else error.__context__
        if isinstance(reason, OSError):
            raise OSError(f"{target} cannot be written: {reason}.") from error
        raise


def _own_part(kind: str, network: nn.Module) -> tuple[str, dict[str, torch.Tensor]]:
    """Prefix of MONAI's network in ours, and the tensors that only ours has."""
    state = network.state_dict()
    own = {RECIPE_KEY: state[RECIPE_KEY]}
    if kind == UNET:
        return "unet.", own
    mean = state["latent_mean"]
    return "", {"latent_mean": torch.zeros_like(mean), "latent_std": torch.ones_like(mean), **own}


def _config(folder: Path, overlays: Sequence[str]) -> ConfigParser:
    files = [folder / "configs" / f"{name}.json" for name in ("inference", *overlays)]
    if missing := [path for path in files if not path.is_file()]:
        raise FileNotFoundError(f"{missing[0]} does not exist; run this where the bundles are, or give bundles_dir.")
    config: Any = ConfigParser()
    config.read_config([str(path) for path in files])
    config["weights_recipe"] = {}  # not that of the weights in the bundle's folder
    return config


def _checkpoints(src: Path) -> list[Path]:
    if src.is_file():
        return [src]
    if not src.is_dir():
        raise FileNotFoundError(f"{src} does not exist.")
    found = sorted(path for path in src.iterdir() if path.suffix in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"{src} holds no checkpoint ({', '.join(SUFFIXES)}).")
    return found
