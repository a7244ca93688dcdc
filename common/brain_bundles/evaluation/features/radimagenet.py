"""Features of RadImageNet's ResNet-50, a network of slices, for volumes by slices of three planes (2.5D)."""

from __future__ import annotations

import os

import torch
from monai.networks.nets import resnet50
from monai.networks.utils import eval_mode
from torch import nn

from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.evaluation.features.published_weights import Weights, load_published, set_stride

PLANES = {"sagittal": 2, "coronal": 3, "axial": 4}  # name -> axis of a RAS volume (B, 1, D, H, W) that is cut
MEAN = (0.406, 0.456, 0.485)  # ImageNet's, blue first, of intensities in [0, 1]
EPS = 1.001e-5  # of the norms, as Keras sets it
NUM_FEATURES = 2048
CONVOLUTIONS = {"bn1": "conv1", "bn2": "conv2", "bn3": "conv3", "1": "0"}  # norm -> what is before it
_WHAT = "RadImageNet-ResNet50_notop.pth of github.com/Warvito/radimagenet-models, converted from Keras with biases"


class RadImageNetEncoder(FeatureEncoder):
    """RadImageNet ResNet-50 on the middle slices of three planes: means over slices, 3 x 2048 features of a volume.

    The slices of a plane are scaled to [0, 1] together, by the least and largest value in them, repeated to three
    channels, and lose ImageNet's mean, as NVIDIA's NV-Generate does it.

    - The scaling takes brightness away, and one bright voxel changes it.
    - NV-Generate's "2.5D FID" takes every slice as one sample, so its N is slices, not people, and averages the
      distances of the three planes: use :meth:`slice_features` for it. Its slices are of 1 mm; at 2 mm the last map of
      an 80x96x80 volume has 3 x 3 positions.
    - The weights come from Keras: strides in the first convolution of a block, biases, and another epsilon than
      PyTorch's ResNet-50. MONAI's network is changed to that, and the biases go into the norms behind them, which is
      the same function. Other conversions of RadImageNet (``backbone.0.weight``...) are other networks, and refused.

    Args:
        path: local file with the weights, ``RadImageNet-ResNet50_notop.pth``.
        centre_ratio: share of the slices of an axis to use, around its middle.
        slices_at_once: slices in one run of the network, for memory; no result depends on it.
        device: device of the network.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds other weights, for a ratio that is not within 0 and 1; when called, if it leaves
            no slice.

    Source: Mei et al. 2022, Radiology: Artificial Intelligence 4(5):e210315.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        centre_ratio: float = 0.4,
        slices_at_once: int = 32,
        device: str | torch.device = "cpu",
    ) -> None:
        if not 0 < centre_ratio <= 1 or slices_at_once < 1:
            raise ValueError(
                f"expected a centre_ratio above 0 and up to 1, and one slice at once or more, got {centre_ratio} and "
                f"{slices_at_once}."
            )
        network = load_published(radimagenet_resnet50(), path, _WHAT, without_biases).to(device)
        self.centre_ratio, self.slices_at_once = centre_ratio, slices_at_once
        super().__init__(
            network,
            name="RadImageNet ResNet-50, 2.5D",
            normalisation="slices of a plane to [0, 1] by their least and largest value, less ImageNet's mean",
            num_features=len(PLANES) * NUM_FEATURES,
            settings={"centre_ratio": centre_ratio, "planes": list(PLANES)},
        )

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._plane(volumes, axis).mean(1) for axis in PLANES.values()], dim=1)

    def slice_features(self, volumes: torch.Tensor) -> dict[str, torch.Tensor]:
        """Features of single slices, for distances that take each slice as a sample.

        Args:
            volumes: (B, 1, D, H, W), RAS.

        Returns:
            plane -> (B, S, 2048) on the CPU, with S slices of that plane.
        """
        device = next(self.network.parameters()).device
        with eval_mode(self.network):
            volumes = volumes.to(device, torch.float32)
            return {plane: self._plane(volumes, axis).cpu() for plane, axis in PLANES.items()}

    def _plane(self, volumes: torch.Tensor, axis: int) -> torch.Tensor:
        """Features of the middle slices across one axis, (B, S, 2048)."""
        size = volumes.shape[axis]
        start, end = (int((1 + sign * self.centre_ratio) / 2 * size) for sign in (-1, 1))
        if end <= start:
            raise ValueError(f"{self.record.name}: centre_ratio {self.centre_ratio} leaves no slice of {size}.")
        slices = volumes.narrow(axis, start, end - start).movedim(axis, 1)[:, :, 0]
        low, high = slices.amin((1, 2, 3), keepdim=True), slices.amax((1, 2, 3), keepdim=True)
        scaled = ((slices - low) / (high - low + 1e-10)).flatten(0, 1)[:, None]
        mean = torch.tensor(MEAN, device=scaled.device)[:, None, None]
        features = [self.network(part - mean) for part in scaled.split(self.slices_at_once)]
        return torch.cat(features).unflatten(0, slices.shape[:2])


def radimagenet_resnet50() -> nn.Module:
    """Build RadImageNet's ResNet-50 from MONAI's, with random weights; slices (B, 3, H, W) to (B, 2048)."""
    network = resnet50(
        spatial_dims=2,
        n_input_channels=3,
        conv1_t_stride=2,
        shortcut_type="B",
        bias_downsample=False,
        feed_forward=False,
    )
    for stage in ("layer2", "layer3", "layer4"):
        block = network.get_submodule(stage)[0]  # type: ignore[index]
        set_stride(block.conv1, 2)
        set_stride(block.conv2, 1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = EPS
    return network


def without_biases(weights: Weights) -> Weights:
    """Move the bias of every convolution into the running mean of the norm behind it: norm(x + b) subtracts mean - b.

    Raises:
        KeyError: if a convolution has no bias.
    """
    result = dict(weights)
    for mean in [name for name in weights if name.endswith(".running_mean")]:
        parent, _, norm = mean.removesuffix(".running_mean").rpartition(".")
        bias = ".".join(filter(None, (parent, CONVOLUTIONS.get(norm, norm), "bias")))
        result[mean] = weights[mean] - result.pop(bias)
    return result
