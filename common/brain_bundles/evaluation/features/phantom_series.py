"""Phantoms whose truth is known, made worse step by step, to ask an encoder whether it tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from brain_bundles.data.covariates import Covariates
from brain_bundles.evaluation.features.sensitivity import Series, blended, blurred, noisy
from brain_bundles.phantom.acquisition import acquire
from brain_bundles.phantom.population import PopulationModel
from brain_bundles.phantom.spec import PhantomSpec
from brain_bundles.phantom.template_subject import render_fractions
from brain_bundles.transforms.intensity import DEFAULT_SCALE, ScaleForeground
from brain_bundles.utils.seeding import derive_seed

RIGHT, WRONG = "T1w", "T2w"
NOISE, BLUR_MM, SHARES, FACTORS = (0.02, 0.05, 0.1), (3.0, 5.0, 8.0), (0.1, 0.3, 1.0), (1.5, 2.0, 3.0)
# So that three times as much still is a brain of the population.
VENTRICLES_ML = (10.0, 30.0)


@dataclass(frozen=True)
class PhantomSeries:
    """Phantoms for :func:`brain_bundles.evaluation.features.sensitivity.sensitivity`.

    Attributes:
        reference, clean: volumes (N, 1, D, H, W) of different people of one population.
        series: name -> strength -> volumes of the people of ``clean``: ``noise`` (standard deviation), ``blur`` (mm),
            ``contrast`` (share of T2w), ``ventricles`` (times as large; the rest of the brain is of the same volume).
    """

    reference: torch.Tensor
    clean: torch.Tensor
    series: dict[str, Series]


def make_phantom_series(
    num_people: int,
    *,
    spacing: float = 2.0,
    spatial_size: Sequence[int] = (80, 96, 80),
    intensity_scale: str = DEFAULT_SCALE,
    seed: int = 0,
) -> PhantomSeries:
    """Render T1w phantoms of the template's population, with ventricles of 10 to 30 mL, and worse ones.

    Args:
        num_people: people of each of the two sets.
        spacing: voxel size, mm.
        spatial_size: (D, H, W) of the grid.
        intensity_scale: see :class:`brain_bundles.transforms.intensity.ScaleForeground`; that of the encoder.
        seed: seed of the people.
    """
    spec = PhantomSpec((RIGHT, WRONG), spacing, tuple(spatial_size), seed, 0.0, False)  # type: ignore[arg-type]
    people = _people(2 * num_people, seed)
    scale = ScaleForeground(intensity_scale)

    def images(which: Sequence[int], factor: float = 1.0, contrasts: Sequence[str] = (RIGHT,)) -> list[torch.Tensor]:
        rendered = [_images(people[i], derive_seed(seed, i), spec, contrasts, factor) for i in which]
        return [torch.stack([scale(image) for image in of_one]) for of_one in zip(*rendered, strict=True)]

    (reference,) = images(range(num_people))
    others = range(num_people, 2 * num_people)
    clean, wrong = images(others, contrasts=(RIGHT, WRONG))
    return PhantomSeries(
        reference,
        clean,
        {
            "noise": noisy(clean, NOISE, seed=seed),
            "blur": blurred(clean, BLUR_MM, spacing=spacing),
            "contrast": blended(clean, wrong, SHARES),
            "ventricles": {factor: images(others, factor)[0] for factor in FACTORS},
        },
    )


def _people(number: int, seed: int) -> list[Covariates]:
    low, high = VENTRICLES_ML
    drawn = PopulationModel.default().sample(20 * number, np.random.default_rng(seed))
    return [person for person in drawn if low <= person.ventricular_volume <= high][:number]


def _images(
    person: Covariates, seed: int, spec: PhantomSpec, contrasts: Sequence[str], factor: float
) -> list[torch.Tensor]:
    """Images (1, D, H, W) of one phantom: same seed, same person, whatever the contrasts and the ventricles."""
    larger = replace(person, ventricular_volume=factor * person.ventricular_volume)
    fractions, *_ = render_fractions(larger, seed=seed, spec=spec)
    visible = {name: fraction for name, fraction in fractions.items() if name != "lateral_ventricles"}
    visible["csf"] = fractions["csf"] + fractions["lateral_ventricles"]
    return [acquire(visible, suffix=contrast, seed=seed, spacing=spec.spacing)[None] for contrast in contrasts]
