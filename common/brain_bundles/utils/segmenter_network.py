"""The segmenter's network, from its file of weights, for what uses it outside of its bundle."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from monai.networks.nets import UNet
from torch import nn

from brain_bundles.utils.loading import load_weights, read_recipe

BUNDLE = "brain_mri_segmenter"
_ROOT = Path(__file__).parents[2]  # of the shared package: a bundle's folder in a zip, common/ in a checkout


def segmenter_path() -> Path | None:
    """File of the weights that come with this package, None without any.

    The zip of a bundle has them beside the package, as ``models/segmenter.pt``; that of the segmenter and a checkout
    have the segmenter's own ``models/model.pt``.
    """
    return _carried("segmenter.pt", "model.pt")


def second_encoder_path() -> Path | None:
    """File of the weights of another seed and width that no loss uses, None without any.

    It is ``models/second_encoder.pt`` of the segmenter's bundle, and of the zips of bundles whose results it judges.
    """
    return _carried("second_encoder.pt", "second_encoder.pt")


def _carried(name: str, own: str) -> Path | None:
    """``models/name`` beside this package, or ``models/own`` of the segmenter's bundle."""
    places = [_ROOT / "models" / name, _ROOT.parent / "bundles" / BUNDLE / "models" / own]
    if (_ROOT / BUNDLE).is_dir():
        places.append(_ROOT / "models" / own)
    return next((place for place in places if place.is_file()), None)


def load_segmenter_network(path: str | os.PathLike[str] | None = None) -> nn.Module:
    """The network with its recipe; it gives logits (B, C, D, H, W) of images (B, 1, D, H, W).

    The same file is loaded once: copy what is changed or moved.

    Args:
        path: weights of the bundle ``brain_mri_segmenter``, whose recipe says how the network is built and used; None
            for those that come with the collection.

    Raises:
        FileNotFoundError: if there is no such file; without a path, if none came along.
        ValueError: if the file holds no weights of a segmenter.
    """
    found = segmenter_path() if path is None else Path(path)
    if found is None:
        raise FileNotFoundError(
            f"this installation has no weights of {BUNDLE}: give the path of its models/model.pt as segmenter."
        )
    if not found.is_file():
        raise FileNotFoundError(f"{found} does not exist; give the path of the models/model.pt of {BUNDLE}.")
    return _load(os.fspath(found), found.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _load(path: str, changed: int) -> nn.Module:
    recipe = read_recipe([path])
    if not {"classes", "unet", "spacing", "spatial_size", "intensity_scale"} <= recipe.keys():
        raise ValueError(f"{path} holds no UNet of {BUNDLE}; give weights of that bundle.")
    network = UNet(spatial_dims=3, in_channels=1, out_channels=len(recipe["classes"]), **recipe["unet"])
    return load_weights(network, path).eval().requires_grad_(False)
