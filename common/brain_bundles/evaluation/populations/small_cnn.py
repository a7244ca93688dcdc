"""A small 3D network that tells two sets of volumes apart, for the two-sample test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from brain_bundles.evaluation.populations.two_sample import Classifier
from brain_bundles.utils.seeding import derive_seed, generator_for

CROP = 48  # voxels of an edge; 96 mm at 2 mm
CHANNELS = (8, 16, 32, 32)
BATCH = 8
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2


class SmallCNN(nn.Module):
    """Four strided convolutions, mean and maximum over space, one linear layer; 45,297 parameters.

    It has no normalisation layer, since that would erase the level of the tissues.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *CHANNELS)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv3d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(2 * CHANNELS[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, D, H, W) -> logits (B,); a higher one says the second set."""
        maps = self.features(x).flatten(2)
        return self.head(torch.cat([maps.mean(2), maps.amax(2)], 1))[:, 0]


def cnn_classifier(
    volumes: torch.Tensor, *, epochs: int = 20, seed: int = 0, on_epoch: Callable[[], object] = lambda: None
) -> Classifier:
    """A classifier that trains a :class:`SmallCNN` on random crops, mirrored at random, from scratch at each call.

    A volume's score is the mean over crops at its corners and in its middle.

    Args:
        volumes: (N, D, H, W), 0 outside of the brain.
        epochs: number of crops of each volume.
        seed: seed of weights, crops and order; the same seed gives the same scores.
        on_epoch: called after each epoch, for a progress bar.
    """

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        generator = generator_for(seed, "cnn")
        shown = volumes[torch.as_tensor(train)]
        inside = shown[shown > 0]
        mean, std = inside.mean(), inside.std()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            network = SmallCNN()
        optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        steps = epochs * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        target = torch.as_tensor(labels, dtype=torch.float32)
        for _ in range(epochs):
            for chosen in torch.randperm(len(train), generator=generator).split(BATCH):
                crops = torch.stack([_random_crop(shown[i], generator) for i in chosen])
                loss = nn.functional.binary_cross_entropy_with_logits(
                    network(((crops - mean) / std)[:, None]), target[chosen]
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            on_epoch()
        with torch.no_grad():
            crops = torch.stack([torch.stack(_fixed_crops(volumes[i])) for i in torch.as_tensor(test)])
            scores = [network(((some - mean) / std)[:, None]).mean() for some in crops]
        return torch.stack(scores).numpy()

    return classify


def _random_crop(volume: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    starts = [int(torch.randint(n - min(n, CROP) + 1, (), generator=generator)) for n in volume.shape]
    crop = _crop(volume, starts)
    return crop.flip(0) if torch.rand((), generator=generator) < 0.5 else crop


def _fixed_crops(volume: torch.Tensor) -> list[torch.Tensor]:
    last = [n - min(n, CROP) for n in volume.shape]
    places = [*itertools.product(*[(0, end) for end in last]), tuple(end // 2 for end in last)]
    return [_crop(volume, place) for place in places]


def _crop(volume: torch.Tensor, starts: Sequence[int]) -> torch.Tensor:
    return volume[tuple(slice(start, start + CROP) for start in starts)]
