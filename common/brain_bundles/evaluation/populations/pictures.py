"""Pictures of two sets of images: brains side by side, intensities and spectra, volumes by age."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.populations.image_set import ImageSet
from brain_bundles.evaluation.populations.people import Visit
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.metrics.power_bands import BANDS
from brain_bundles.utils.atomic import atomic_write
from brain_bundles.visualize.montage import save_montage

SHOWN = 5
COLOURS = {"A": "C0", "B": "C1"}


def draw_brains(path: str | os.PathLike[str], images: Sequence[ImageSet], contrast: str, spacing: float) -> None:
    """Draw people of both sets in three planes, those of the first on the left; evenly spaced in the order of age."""
    columns = []
    for name, one in zip("AB", images, strict=True):
        order = sorted(range(len(one.visits)), key=lambda i, one=one: one.visits[i].age or 0.0)  # type: ignore[misc]
        picked = [order[i] for i in np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
        columns.append([(one.volumes[i], f"{name}: {_title(one.visits[i])}") for i in picked])
    rows = [cell for pair in zip(*columns, strict=True) for cell in pair]
    save_montage(
        Path(path),
        [volume for volume, _ in rows],
        [label for _, label in rows],
        title=f"{contrast}: A on the left, B on the right",
        spacing=(spacing, spacing, spacing),
        columns=2,
    )


def _title(visit: Visit) -> str:
    return visit.name + (f", {visit.age:.0f} years" if visit.age is not None else "")


def draw_curves(path: str | os.PathLike[str], images: Sequence[ImageSet], contrast: str) -> None:
    """Draw the intensities in the brain and the power spectra of both sets, mean and spread over people."""
    figure = _figure(11, 4)
    left, right = figure.subplots(1, 2)
    for name, one in zip("AB", images, strict=True):
        high = float(one.volumes.max())
        bins = np.linspace(0.0, high, 81)
        counts = np.array(
            [
                np.histogram(volume[mask].numpy(), bins, density=True)[0]
                for volume, mask in zip(one.volumes, one.masks, strict=True)
            ]
        )
        _band(left, (bins[1:] + bins[:-1]) / 2, counts, name)
        _band(right, one.edges[1:], np.log10(np.maximum(one.power[:, 1:], 1e-12)), name)
    left.set(title=f"{contrast}: intensities in the brain", xlabel="intensity", ylabel="density")
    right.set(title=f"{contrast}: power spectrum", xlabel="cycles/mm", ylabel="log10 of the power")
    for low, high in BANDS:
        right.axvspan(low, high, color="0.92" if low in (BANDS[0][0], BANDS[2][0]) else "0.86", zorder=0)
    left.legend(frameon=False)
    _save(figure, path)


def draw_volumes(
    path: str | os.PathLike[str], people: Sequence[Sequence[Visit]], volumes: Sequence[Sequence[BrainVolumes]]
) -> None:
    """Draw measured volumes over age for both sets; people of unknown age are left out."""
    figure = _figure(11, 4)
    for axes, name in zip(figure.subplots(1, 2), VOLUMES, strict=True):
        for label, visits, sizes in zip("AB", people, volumes, strict=True):
            points = [(v.age, getattr(s, name)) for v, s in zip(visits, sizes, strict=True) if v.age is not None]
            if points:
                axes.scatter(*zip(*points, strict=True), s=14, color=COLOURS[label], label=label)
                axes.legend(frameon=False)
        axes.set(title=name.replace("_", " "), xlabel="age (years)", ylabel="mL", yscale="log")
    _save(figure, path)


def _band(axes: Any, x: np.ndarray, curves: np.ndarray, name: str) -> None:
    low, middle, high = np.percentile(curves, [10, 50, 90], axis=0)
    axes.fill_between(x, low, high, color=COLOURS[name], alpha=0.25, linewidth=0)
    axes.plot(x, middle, color=COLOURS[name], label=f"{name}: median, 10 % to 90 % of the people")


def _figure(width: float, height: float) -> Any:
    hint = "{}: the pictures of the comparison need it; install it with: pip install matplotlib"
    figure_class, _ = optional_import("matplotlib.figure", name="Figure", descriptor=hint)
    return figure_class(figsize=(width, height), layout="constrained")  # no pyplot: no global state, no display


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    atomic_write(path, buffer.getvalue())
