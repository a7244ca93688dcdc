"""Perceptual losses, made only if their weights are on this machine or a download is allowed."""

from __future__ import annotations

from importlib.util import find_spec

from torch import nn

from brain_bundles.utils.hub_weights import HUB_REPOSITORIES, LPIPS_BACKBONES, backbone_from, require_weights

SEGMENTER = "segmenter"
NETWORK_TYPES = (SEGMENTER, *LPIPS_BACKBONES, *HUB_REPOSITORIES, "resnet50")


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
    """Make a perceptual loss, or None if the term is off: of the segmenter's features, or ``monai.losses``'s.

    Args:
        network_type: None turns the term off; segmenter for
            :class:`~brain_bundles.losses.segmenter_perceptual.SegmenterPerceptualLoss`; else alex, vgg, squeeze
            (LPIPS), resnet50, radimagenet_resnet50 or a medicalnet name.
        pretrained_path: local weights: of the torchvision backbone for alex, vgg, squeeze; of the network for resnet50;
            of another segmenter than the one that comes with the collection.
        spatial_dims: 2 or 3.
        is_fake_3d: for 3D, compare slices of the three planes with a 2D network; medicalnet networks need False.
        fake_3d_ratio: share of the slices to use.
        pretrained_state_dict_key: entry of the file that holds the weights (resnet50).
        allow_download: let torch fetch missing weights.

    Raises:
        ValueError: for an unknown name, a local file that this network cannot use, or weights for a term that is off.
        FileNotFoundError: if the weights are neither local nor in torch.hub's folder and downloads are not allowed.
        ImportError: if the network needs lpips or torchvision and they are not installed.
    """
    if network_type in (None, "null"):  # the text is what a command line gives
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
    if network_type == SEGMENTER:
        if spatial_dims != 3:
            raise ValueError(f"spatial_dims is {spatial_dims}; the segmenter compares volumes, so 3 is needed.")
        from brain_bundles.losses.segmenter_perceptual import SegmenterPerceptualLoss

        return SegmenterPerceptualLoss(pretrained_path)
    needed = [] if network_type in HUB_REPOSITORIES else ["torchvision"] + ["lpips"] * (network_type in LPIPS_BACKBONES)
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ImportError(
            f"perceptual network {network_type!r} needs {' and '.join(missing)}: pip install {' '.join(missing)}."
        )
    require_weights(network_type, pretrained_path, allow_download)

    from monai.losses import PerceptualLoss

    with backbone_from(pretrained_path, LPIPS_BACKBONES.get(network_type)):
        loss = PerceptualLoss(
            spatial_dims=spatial_dims,
            network_type=network_type,
            is_fake_3d=is_fake_3d,
            fake_3d_ratio=fake_3d_ratio,
            pretrained_path=pretrained_path if network_type == "resnet50" else None,
            pretrained_state_dict_key=pretrained_state_dict_key,
        )
    return loss.eval().requires_grad_(False)
