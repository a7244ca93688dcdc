"""Picture of the generated brains that are nearest to a training brain, each beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brain_bundles.evaluation.image_sets import BrainImages
from brain_bundles.metrics.memorisation import memorisation
from brain_bundles.visualize.montage import save_montage


def draw_closest_pairs(
    path: str | Path,
    generated: BrainImages,
    training: BrainImages,
    held_out: BrainImages,
    *,
    spacing: float,
    number: int = 3,
) -> None:
    """Draw the closest pairs, a row for each: the generated brain, then the training brain.

    The eye has the last word on whether a brain is a copy: a correlation of coarse images is high for brains that are
    alike in size and ventricles, too.

    Args:
        path: path of the PNG.
        generated, training, held_out: the sets of :func:`brain_bundles.metrics.memorisation.memorisation`.
        spacing: voxel size of their grid, mm.
        number: pairs to draw.

    Raises:
        ValueError: for fewer than two training brains.
        ImportError: without matplotlib.
    """
    found = memorisation(generated.vectors(), training.vectors(), held_out.vectors())
    volumes, labels = [], []
    for index in np.argsort(-found.generated, kind="stable")[:number]:
        nearest = int(found.generated_nearest[index])
        volumes += [generated[int(index)][0], training[nearest][0]]
        labels += [f"generated: {generated.paths[index].name}, r {found.generated[index]:.3f}"]
        labels += [f"training: {training.paths[nearest].name}"]
    title = f"nearest training brains; 95 % of held-out brains are below r {found.threshold:.3f}"
    save_montage(path, volumes, labels, title=title, spacing=(spacing,) * 3, columns=2)
