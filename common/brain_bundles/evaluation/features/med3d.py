"""Features of Med3D (MedicalNet), the residual networks that most published Frechet distances of 3D MRI use."""

from __future__ import annotations

import os

import torch
from monai.networks.nets import resnet10, resnet50
from torch import nn

from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.evaluation.features.published_weights import load_published, set_stride

BUILDERS = {10: resnet10, 50: resnet50}
DILATIONS = {"layer3": 2, "layer4": 4}


class Med3DEncoder(FeatureEncoder):
    """MedicalNet ResNet-10 or -50: z-score of each volume, last feature map averaged over space, 512 or 2048 features.

    This is what most papers call FID of 3D MRI. It is here to compare with them, and never to be used alone:

    - Its features barely tell images apart. Published tests found cosines of about 1.0 between any two inputs, a
      distance below 1 between noise and brains, and 0.012 for blurred brains; so distances are of the size 1e-3.
    - The z-score takes brightness and contrast range away: an image that is too dark or too flat is not found.
    - The published networks have stride 1 and dilations of 2 and 4 in the last two stages. MONAI's ``resnet10`` and
      ``resnet50`` have stride 2 there and take the same weights without a word; their first convolution has stride 1
      by default, the published one 2. Here the published strides and dilations are set.
    - Others take the mean over the whole batch (MONAI's perceptual loss), or over the brain with random numbers outside
      (MedicalNet's training). Numbers of different normalisations, sizes of set or files are not comparable.

    Args:
        path: local file with the weights, such as ``resnet_50_23dataset.pth`` of github.com/Tencent/MedicalNet.
        depth: 10 or 50, as the file.
        device: device of the network.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds other weights, or for another depth; when called, for a constant volume.

    Source: Chen et al. 2019, arXiv 1904.00625.
    """

    def __init__(self, path: str | os.PathLike[str], *, depth: int = 50, device: str | torch.device = "cpu") -> None:
        if depth not in BUILDERS:
            raise ValueError(f"depth is {depth}, expected 10 or 50.")
        what = f"the ResNet-{depth} of MedicalNet (resnet_{depth}_23dataset.pth, github.com/Tencent/MedicalNet)"
        network = load_published(medicalnet(depth), path, what).to(device)
        super().__init__(
            network,
            name=f"Med3D ResNet-{depth}",
            normalisation="z-score of each volume over all voxels",
            num_features=512 if depth == 10 else 2048,
            settings={"depth": depth},
        )

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        mean = volumes.mean((1, 2, 3, 4), keepdim=True)
        std = volumes.std((1, 2, 3, 4), keepdim=True)
        if not (std > 0).all():
            raise ValueError(f"{self.record.name}: a volume is constant, it has no z-score.")
        return self.network((volumes - mean) / std)


def medicalnet(depth: int) -> nn.Module:
    """Build MedicalNet's ResNet-10 or -50 from MONAI's, with random weights; volumes (B, 1, D, H, W) to (B, F)."""
    network = BUILDERS[depth](
        spatial_dims=3,
        n_input_channels=1,
        conv1_t_stride=2,
        shortcut_type="B",
        bias_downsample=False,
        feed_forward=False,
    )
    for stage, dilation in DILATIONS.items():
        for module in network.get_submodule(stage).modules():
            if isinstance(module, nn.Conv3d):
                set_stride(module, 1, dilation if module.kernel_size[0] == 3 else 1)
    return network
