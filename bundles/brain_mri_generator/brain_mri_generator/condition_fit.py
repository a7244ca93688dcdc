"""Fit of a condition reader to the latents of a training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brain_bundles.utils import is_main_process, plain_tensor, save_network, with_recipe
from monai.utils import optional_import

from brain_mri_generator.condition_reader import ConditionReader

logger = logging.getLogger(__name__)

PENALTIES = tuple(float(10**power) for power in range(-5, 1))  # relative to the mean squared length of the features
GLOBAL_WEIGHT = 3.0  # how much more the global features may vary than the local ones
# Least correlation with a condition, over brains left out, for which latents are moved, and what it has to be in
# standard errors of a correlation that is 0.
READABLE, CERTAIN = 0.5, 3.0
BATCH = 32


def fit_condition_reader(
    dataset: Sequence[Mapping[str, torch.Tensor]],
    latent_shape: Sequence[int],
    names: Sequence[str],
    path: str | Path,
    *,
    recipe: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    left_alone: Sequence[str] = ("sex", "age"),
    max_items: int = 1200,
    seed: int = 0,
) -> ConditionReader:
    """Fit a :class:`ConditionReader` to brains with known conditions, and write its weights.

    The penalty of each condition is chosen by leave-one-out errors. Sex and age are left to the network: beside the
    volumes they show only in how tissue looks, which no mean change of a population holds. So is what cannot be read
    off brains left out.

    Args:
        dataset: N items with a normalised latent, ``mean`` (C, D, H, W), and ``context``, K scaled conditions.
        latent_shape: (C, D, H, W).
        names: names of the conditions, in the order of ``context``.
        path: file of the weights. Of several processes the main one fits and writes; the others return at once.
        recipe: settings that the latents depend on, see :func:`brain_bundles.utils.with_recipe`.
        left_alone: conditions that are never corrected.
        max_items: items to use, spread evenly over the dataset; the fit keeps all their features in memory.
        seed: seed of the random kernels.

    Raises:
        ImportError: without scikit-learn.
        ValueError: for fewer than three items.
    """
    if len(dataset) < 3:
        raise ValueError(f"{len(dataset)} latents, expected 3 or more to fit a reader of the conditions to.")
    reader = ConditionReader(latent_shape, len(names), seed=seed)
    if not is_main_process():
        return reader
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), max_items)).round().astype(int))
    items = [dataset[int(index)] for index in chosen]
    latents = torch.stack([plain_tensor(item["mean"]).float() for item in items])
    conditions = torch.stack([plain_tensor(item["context"]).flatten().double() for item in items])
    spread, centre = torch.std_mean(conditions, dim=0, correction=0)
    unit = spread.clamp(min=1e-6)
    scaled = ((conditions - centre) / unit).numpy()

    parts = [torch.cat(part) for part in zip(*map(reader.features, latents.split(BATCH)), strict=True)]
    lengths = [float((part - part.mean(0)).square().sum(1).mean().sqrt()) for part in parts]
    balance = [1.0, GLOBAL_WEIGHT * lengths[0] / max(lengths[1], 1e-12)]
    features = np.concatenate([weight * part.double().numpy() for weight, part in zip(balance, parts, strict=True)], 1)
    total = ((features - features.mean(0)) ** 2).sum(1).mean()
    hint = "{}: a reader of the conditions needs it; install it with: pip install scikit-learn"
    ridge, _ = optional_import("sklearn.linear_model", name="RidgeCV", descriptor=hint)
    fitted = ridge(
        alphas=[penalty * total for penalty in PENALTIES],
        alpha_per_target=True,
        scoring="neg_mean_squared_error",
        store_cv_results=True,
    ).fit(features, scaled)
    best = [int(np.argmin(np.abs(np.asarray(fitted.alphas) - one))) for one in np.atleast_1d(fitted.alpha_)]
    left_out = np.stack([fitted.cv_results_[:, k, place] for k, place in enumerate(best)], 1)
    left_out = left_out + (scaled.mean(0) - left_out.mean(0))

    coefficients = torch.from_numpy(fitted.coef_) * unit[:, None]
    columns = torch.cat([torch.full((part.shape[1],), weight) for weight, part in zip(balance, parts, strict=True)])
    reader.weights.copy_(coefficients * columns)
    reader.offset.copy_(torch.from_numpy(np.atleast_1d(fitted.intercept_)) * unit + centre)

    with_one = torch.cat([conditions, torch.ones(len(conditions), 1)], 1)
    moves = torch.linalg.lstsq(with_one, latents.flatten(1).double()).solution[:-1]
    reader.directions.copy_(moves.view_as(reader.directions))
    with np.errstate(invalid="ignore"):
        shares = [float(np.nan_to_num(np.corrcoef(left_out[:, k], scaled[:, k])[0, 1])) for k in range(len(names))]
    least = max(READABLE, CERTAIN / len(items) ** 0.5)
    readable = [name not in left_alone and share >= least for name, share in zip(names, shares, strict=True)]
    reader.unit.copy_(spread * torch.tensor(readable))
    logger.info(
        "Reader of the conditions, correlation over %d latents left out: %s.",
        len(items),
        ", ".join(f"{name} {share:.3f}" for name, share in zip(names, shares, strict=True)),
    )
    save_network(with_recipe(reader, recipe), path)
    return reader
