"""Pretrained weights of torch.hub: check that they are on this machine, since nothing is downloaded unasked."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

# Backbone files as torchvision names them in the checkpoints folder of torch.hub.
LPIPS_BACKBONES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
# Networks that MONAI fetches as a whole repository through torch.hub.
HUB_REPOSITORIES = {
    "radimagenet_resnet50": "Warvito_radimagenet-models_main",
    "medicalnet_resnet10_23datasets": "Warvito_MedicalNet-models_main",
    "medicalnet_resnet50_23datasets": "Warvito_MedicalNet-models_main",
}


def require_weights(network_type: str, pretrained_path: str | None, allow_download: bool) -> None:
    """Check that the weights of a perceptual network are on this machine, or may be downloaded.

    Raises:
        ValueError: if the network takes no ``pretrained_path``.
        FileNotFoundError: if the weights are missing and ``allow_download`` is false.
    """
    if pretrained_path is not None:
        if network_type in HUB_REPOSITORIES:
            raise ValueError(
                f"perceptual network {network_type!r} takes no pretrained_path; it is loaded from "
                f"{Path(torch.hub.get_dir()) / HUB_REPOSITORIES[network_type]}."
            )
        if not Path(pretrained_path).is_file():
            raise FileNotFoundError(f"perceptual pretrained_path {pretrained_path} does not exist.")
        return
    if allow_download:
        return
    hub = Path(torch.hub.get_dir())
    cached = {
        **{name: hub / "checkpoints" / file for name, file in LPIPS_BACKBONES.items()},
        **{name: hub / folder for name, folder in HUB_REPOSITORIES.items()},
    }.get(network_type)
    if cached is not None and cached.exists():
        return
    where = f"put them at {cached}" if network_type in HUB_REPOSITORIES else "give a local file as pretrained_path"
    raise FileNotFoundError(
        f"perceptual network {network_type!r} needs weights that are not on this machine, and nothing is "
        f"downloaded unasked: set allow_download to true, or {where}, "
        "or set network_type to null to train without the term."
    )


@contextlib.contextmanager
def backbone_from(path: str | None, backbone: str | None) -> Iterator[None]:
    """Make torchvision load ``path`` in place of its download; it has no argument for a local file."""
    if path is None or backbone is None:
        yield
        return
    previous = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Path(folder) / "checkpoints"
        checkpoints.mkdir()
        (checkpoints / backbone).symlink_to(Path(path).resolve())
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(previous)
