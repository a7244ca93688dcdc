"""MONAI's perceptual loss, made only when its weights are at hand or a download was asked for."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

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
NETWORK_TYPES = (*LPIPS_BACKBONES, *HUB_REPOSITORIES, "resnet50")


def make_perceptual_loss(
    network_type: str | None = None,
    pretrained_path: str | None = None,
    *,
    spatial_dims: int = 3,
    is_fake_3d: bool = True,
    fake_3d_ratio: float = 0.25,
    pretrained_state_dict_key: str | None = None,
    allow_download: bool = False,
) -> nn.Module | None:
    """A ``monai.losses.PerceptualLoss``, or None when the term is off.

    Args:
        network_type: None turns the term off; else alex, vgg, squeeze (LPIPS), resnet50, radimagenet_resnet50 or a
            medicalnet name.
        pretrained_path: local weights: of the torchvision backbone for alex, vgg, squeeze; of the network for resnet50.
        spatial_dims: 2 or 3.
        is_fake_3d: for 3D, compare slices of the three planes with a 2D network; medicalnet networks need False.
        fake_3d_ratio: part of the slices that is used.
        pretrained_state_dict_key: entry of the file that holds the weights (resnet50).
        allow_download: let torch fetch missing weights.

    Raises:
        ValueError: for an unknown name, a local file that this network cannot use, or weights of a term that is off.
        FileNotFoundError: if the weights are neither local nor in torch.hub's folder and downloads are not allowed.
        ImportError: if the network needs lpips or torchvision and they are not installed.
    """
    if network_type is None:
        asked = [f"pretrained_path is {pretrained_path!r}"] if pretrained_path is not None else []
        asked += ["allow_download is true"] if allow_download else []
        if asked:
            raise ValueError(
                f"perceptual {' and '.join(asked)}, but network_type is null, so the term is off: set network_type "
                f"(perceptual_network in the configs) to one of {', '.join(NETWORK_TYPES)}, or leave out the weights."
            )
        return None
    if network_type not in NETWORK_TYPES:
        raise ValueError(
            f"perceptual network_type is {network_type!r}; allowed: null (off), {', '.join(NETWORK_TYPES)}."
        )
    needed = [] if network_type in HUB_REPOSITORIES else ["torchvision"] + ["lpips"] * (network_type in LPIPS_BACKBONES)
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ImportError(
            f"perceptual network {network_type!r} needs {' and '.join(missing)}: pip install {' '.join(missing)}."
        )
    _check_weights(network_type, pretrained_path, allow_download)

    from monai.losses import PerceptualLoss

    with _backbone_from(pretrained_path, LPIPS_BACKBONES.get(network_type)):
        loss = PerceptualLoss(
            spatial_dims=spatial_dims,
            network_type=network_type,
            is_fake_3d=is_fake_3d,
            fake_3d_ratio=fake_3d_ratio,
            pretrained_path=pretrained_path if network_type == "resnet50" else None,
            pretrained_state_dict_key=pretrained_state_dict_key,
        )
    return loss.eval().requires_grad_(False)


def _check_weights(network_type: str, pretrained_path: str | None, allow_download: bool) -> None:
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
def _backbone_from(path: str | None, backbone: str | None) -> Iterator[None]:
    """Let torchvision find ``path`` where it looks for its download; it has no argument for a local file."""
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
