"""The two-sample tests of a contrast: a network on the images, and lines on a few numbers of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from tqdm import tqdm

from brain_bundles.evaluation.populations.features import KINDS
from brain_bundles.evaluation.populations.image_set import ImageSet
from brain_bundles.evaluation.populations.small_cnn import cnn_classifier
from brain_bundles.evaluation.populations.summaries import spread
from brain_bundles.evaluation.populations.two_sample import (
    FOLDS,
    Classifier,
    logistic_regression,
    split_halves,
    tell_apart,
)

CNN, CNN_INNER, ALL_NUMBERS = "network", "network, inner brain", "all numbers"
INNER_MM = 8.0  # the outermost part, where brain extraction and CSF differ
# How often the first set is divided at random. One half may differ from the other by chance, so one division says
# little; a network is trained anew for each.
NETWORK_SPLITS, SPLITS = 1, 20


def run_tests(
    images: Sequence[ImageSet],
    features: Sequence[Mapping[str, np.ndarray]],
    *,
    epochs: int,
    seed: int,
    spacing: float,
    progress: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Tell two sets apart by each classifier, and as a check the first set from itself, see :func:`tell_from_itself`.

    Args:
        images: the two sets.
        features: their numbers, of :func:`brain_bundles.evaluation.populations.features.describe_images`.
        epochs: length of the training of the network.
        seed: seed of folds, halves and trainings.
        spacing: voxel size of the images, mm.
        progress: text of the progress bar, None for none.

    Returns:
        name of the classifier -> the fields of :class:`TwoSampleResult`, and ``itself`` with the check.
    """
    groups = [[visit.group for visit in one.visits] for one in images]
    # An anatomy of one set is not that of the other, whatever it is called.
    names = [f"{which} {group}" for which, some in enumerate(groups) for group in some]
    labels = np.repeat([0, 1], [len(some) for some in groups])
    volumes = torch.cat([one.volumes for one in images])
    inner = volumes * torch.cat([_inner(one.masks, spacing) for one in images])
    numbers = {kind: np.concatenate([one[kind] for one in features]) for kind in KINDS}
    results = {}
    # Each network is trained in each fold, against the other set and against the same one.
    with tqdm(
        total=2 * (1 + NETWORK_SPLITS) * FOLDS * epochs, desc=progress, unit="epoch", disable=progress is None
    ) as bar:
        options: dict[str, Any] = {"epochs": epochs, "seed": seed, "on_epoch": bar.update}
        classifiers: dict[str, Classifier] = {
            CNN: cnn_classifier(volumes, **options),
            CNN_INNER: cnn_classifier(inner, **options),
            ALL_NUMBERS: logistic_regression(np.concatenate(list(numbers.values()), axis=1)),
            **{kind: logistic_regression(values) for kind, values in numbers.items()},
        }
        for name, classify in classifiers.items():
            splits = NETWORK_SPLITS if name in (CNN, CNN_INNER) else SPLITS
            between = tell_apart(classify, labels, names, seed=seed)
            itself = tell_from_itself(classify, groups[0], seed=seed, splits=splits)
            results[name] = {**asdict(between), "itself": itself}
    return results


def tell_from_itself(
    classify: Classifier, groups: Sequence[str], *, seed: int = 0, splits: int = SPLITS
) -> dict[str, float]:
    """Tell one random half of a set from the other; a classifier that is fair has an AUC of about 0.5.

    Args:
        classify: the classifier, of which the set has the first indices.
        groups: groups of the set's people.
        seed: seed of the halves and folds.
        splits: number of divisions into halves.

    Returns:
        mean and standard deviation of the AUC over the divisions, and their number.
    """
    values = [
        tell_apart(classify, split_halves(groups, seed + number), groups, seed=seed + number).auc
        for number in range(splits)
    ]
    known = spread(values)
    return {"auc": known["mean"], "std": known["std"], "splits": splits}


def _inner(masks: torch.Tensor, spacing: float) -> torch.Tensor:
    layers = max(round(INNER_MM / spacing), 1)
    return torch.stack([torch.from_numpy(ndimage.binary_erosion(mask.numpy(), iterations=layers)) for mask in masks])
