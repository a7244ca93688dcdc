"""What an encoder is: brain volumes in, one vector of features for each out, and a record that says which it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.networks.utils import eval_mode
from torch import nn
from tqdm import tqdm

from brain_bundles.utils.fingerprint import weights_hash
from brain_bundles.utils.plain_tensor import plain_tensor


@dataclass(frozen=True)
class EncoderRecord:
    """What must stand beside every number that an encoder's features give.

    Attributes:
        name: name of the encoder.
        weights: SHA-256 of the file of weights; of a network that was filled otherwise, ``values:`` and a hash of them.
        normalisation: what is done with intensities before the network, in words.
        num_features: length F of a vector.
        settings: what else decides the features, JSON types.
    """

    name: str
    weights: str
    normalisation: str
    num_features: int
    settings: Mapping[str, Any] = field(default_factory=dict)


class FeatureEncoder(ABC):
    """Maps brain volumes on the models' grid and intensity scale to vectors of features.

    A subclass says what its network makes of checked volumes (:meth:`encode`). Nothing is downloaded: weights are a
    local file.

    Attributes:
        network: the network, on any device. During a call it is in evaluation mode.
        record: what must stand beside every number.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        normalisation: str,
        num_features: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network
        self.record = EncoderRecord(name, weights_hash(network), normalisation, num_features, dict(settings or {}))

    @abstractmethod
    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map float32 volumes (B, 1, D, H, W) on the network's device to features (B, F)."""

    def __call__(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map brain volumes to features, without gradients.

        Args:
            volumes: (B, 1, D, H, W) on the models' grid and scale, as
                :func:`brain_bundles.transforms.preprocessing.image_preprocessing` makes them; any device.

        Returns:
            features (B, F), float32 on the CPU. A volume's features do not depend on the others of its batch.

        Raises:
            ValueError: if the shape is another one, a voxel is not finite, or the features are not.
        """
        volumes = plain_tensor(volumes)
        if volumes.ndim != 5 or volumes.shape[1] != 1 or not len(volumes):
            raise ValueError(f"{self.record.name} takes volumes (B, 1, D, H, W), got {tuple(volumes.shape)}.")
        if not torch.isfinite(volumes).all():
            raise ValueError(f"{self.record.name}: a volume has NaN or infinite voxels.")
        device = next(self.network.parameters()).device
        with eval_mode(self.network):
            features = self.encode(volumes.to(device, torch.float32)).float().cpu()
        if not torch.isfinite(features).all():
            raise ValueError(f"{self.record.name} gives features that are not finite; are these its weights?")
        return features


def extract_features(
    encoder: FeatureEncoder, volumes: Iterable[torch.Tensor], *, progress: str | None = None
) -> torch.Tensor:
    """Encode the volumes of a set one after the other.

    Args:
        encoder: the encoder.
        volumes: volumes (1, D, H, W) or (D, H, W), such as the images of a MONAI dataset. One volume of each person:
            two of one person are no two independent draws.
        progress: text of the progress bar, None for none.

    Returns:
        features (N, F), float32 on the CPU.

    Raises:
        ValueError: if there is no volume, or one cannot be encoded.
    """
    rows = [
        encoder(plain_tensor(volume).reshape(1, 1, *volume.shape[-3:]))
        for volume in tqdm(volumes, desc=progress, unit="brain", disable=progress is None)
    ]
    if not rows:
        raise ValueError(f"{encoder.record.name}: there is no volume to encode.")
    return torch.cat(rows)
