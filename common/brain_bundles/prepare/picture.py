"""A picture of a visit for a person's eye: every contrast before the mask, with the outline of the mask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brain_bundles.prepare.extra import from_prepare_extra
from brain_bundles.prepare.volume import Volume, reorient
from brain_bundles.utils.atomic import atomic_file
from brain_bundles.visualize.montage import plane_image

figure = from_prepare_extra("matplotlib.figure")
agg = from_prepare_extra("matplotlib.backends.backend_agg")
# Where the slices lie within the mask, from its lower to its upper end.
_CUTS = (("axial", 0.25), ("axial", 0.5), ("axial", 0.75), ("coronal", 0.5), ("sagittal", 0.5))
_AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}


def save_picture(path: Path, volumes: Mapping[str, Volume], mask: NDArray[np.bool_] | None, title: str) -> None:
    """Write a PNG with a row for each contrast: three axial slices, a coronal and a sagittal one.

    All volumes are on one grid. The outline shows the mask, or the brightest object's box without one.
    """
    turned = {name: reorient(volume)[0] for name, volume in volumes.items()}
    some = next(iter(volumes.values()))
    inside = np.ones(some.data.shape, bool) if mask is None else mask
    region = reorient(some.with_data(inside))[0].data > 0.5
    places = [np.flatnonzero(region.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    made = figure.Figure(figsize=(2.1 * len(_CUTS), 2.2 * len(turned) + 0.35), dpi=80, facecolor="black")
    agg.FigureCanvasAgg(made)
    grid = made.subplots(len(turned), len(_CUTS), squeeze=False)
    for row, (name, volume) in zip(grid, turned.items(), strict=True):
        top = float(np.percentile(volume.data[region], 99.5)) or 1.0
        for axes, (plane, share) in zip(row, _CUTS, strict=True):
            axis = _AXIS[plane]
            index = int(places[axis][round(share * (len(places[axis]) - 1))])
            rest = [volume.spacing[a] for a in range(3) if a != axis]
            axes.imshow(plane_image(volume.data, plane, index), cmap="gray", vmin=0, vmax=top, aspect=rest[1] / rest[0])
            if mask is not None:
                outline = plane_image(region, plane, index).astype(float)
                if outline.any():
                    axes.contour(outline, levels=[0.5], colors=["#ff5a36"], linewidths=0.7)
            axes.set_axis_off()
        row[0].set_title(name, color="white", fontsize=8, loc="left", pad=2)
    made.suptitle(title, color="white", fontsize=9)
    made.subplots_adjust(
        left=0.01, right=0.99, bottom=0.01, top=1 - 0.45 / (2.2 * len(turned) + 0.35), wspace=0.03, hspace=0.1
    )
    with atomic_file(path) as file:
        made.savefig(file, format="png", facecolor="black")
