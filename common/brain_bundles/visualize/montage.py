"""A labelled picture of volumes in three planes.

Volumes are arrays (D, H, W) in RAS order: D runs to the right, H to the front, W to the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brain_bundles.utils.atomic import atomic_file

PLANES = ("axial", "coronal", "sagittal")
# Array axes of the picture's columns and rows, the axis cut through, and the letters at the left and right edge.
# Radiological convention: the patient's right is on the left of axial and coronal pictures, anterior on the left of
# sagittal ones.
_LAYOUT = {"axial": (0, 1, 2, "R", "L"), "coronal": (0, 2, 1, "R", "L"), "sagittal": (1, 2, 0, "A", "P")}


HEADER_INCHES = 0.55


def plane_image(volume: np.ndarray, plane: str, index: int) -> np.ndarray:
    """One slice as a picture (rows, columns), top left first: anterior or superior up, radiological left to right.

    Args:
        volume: (D, H, W), or (D, H, W, 3) with colours, RAS.
        plane: axial, coronal or sagittal.
        index: position along the axis that is cut.
    """
    # A slice has axes (columns, rows) that run to the right or front and to the front or top; the axes of a picture run
    # the other way.
    return np.take(volume, index, axis=_LAYOUT[plane][2]).swapaxes(0, 1)[::-1, ::-1]


def save_montage(
    path: str | Path,
    volumes: torch.Tensor | np.ndarray | Sequence[Any],
    labels: Sequence[str] | None = None,
    *,
    title: str | None = None,
    spacing: Sequence[float] | Sequence[Sequence[float]] = (1.0, 1.0, 1.0),
    value_range: tuple[float, float] = (0.0, 1.0),
    columns: int | None = None,
    dpi: int = 150,
) -> Path:
    """Write a PNG with an axial, a coronal and a sagittal slice through the middle of every volume.

    Args:
        path: path of the PNG, which is written to a temporary name and renamed.
        volumes: (N, D, H, W) or N volumes (D, H, W), RAS; those of (D, H, W, 3) have colours in [0, 1].
        labels: one text per volume, above its slices.
        title: text above all volumes.
        spacing: voxel size (D, H, W) in mm, one for all volumes or one for each; only the ratios matter, so that no
            voxel is stretched.
        value_range: values shown in black and in white.
        columns: number of volumes side by side, None for a picture a little wider than high.
        dpi: pixels per inch; a slice is about 1.3 inches high.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there are no volumes, one is not three-dimensional, or the labels do not match.
    """
    arrays = [np.asarray(v.detach().float().cpu() if isinstance(v, torch.Tensor) else v) for v in volumes]
    if not arrays:
        raise ValueError("save_montage: no volumes to show.")
    if wrong := [array.shape for array in arrays if array.ndim != 3 and array.shape[3:] != (3,)]:
        raise ValueError(f"save_montage: volumes must be (D, H, W), got {wrong[0]}; take the channel axis away.")
    if labels is not None and len(labels) != len(arrays):
        raise ValueError(f"save_montage: {len(labels)} labels for {len(arrays)} volumes.")
    spacings = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (len(arrays), 3))
    figure_class, canvas_class = _matplotlib()
    columns = min(len(arrays), columns or round((0.45 * len(arrays)) ** 0.5 + 0.2))
    rows = -(-len(arrays) // columns)

    figure = figure_class(figsize=(4.2 * columns, 1.55 * rows + HEADER_INCHES), dpi=dpi, facecolor="black")
    canvas_class(figure)
    outer = figure.add_gridspec(
        rows,
        columns,
        left=0.01,
        right=0.99,
        bottom=0.01,
        top=1 - HEADER_INCHES / figure.get_figheight(),
        wspace=0.04,
        hspace=0.22,
    )
    note = "radiological: patient's right is on the left (R)"
    figure.suptitle(
        f"{title}\n{note}" if title else note, color="white", fontsize=8, y=1 - 0.06 / figure.get_figheight(), va="top"
    )
    for number, array in enumerate(arrays):
        cell = outer[number // columns, number % columns].subgridspec(1, 3, wspace=0.02)
        for position, plane in enumerate(PLANES):
            axes = figure.add_subplot(cell[0, position])
            _draw(axes, array, plane, spacings[number].tolist(), value_range)
            if position == 1 and labels is not None:
                axes.set_title(labels[number], color="white", fontsize=7, pad=2)

    with atomic_file(path) as file:
        figure.savefig(file, format="png", facecolor=figure.get_facecolor())
    return Path(path)


def _draw(axes: Any, array: np.ndarray, plane: str, spacing: Sequence[float], value_range: tuple[float, float]) -> None:
    columns, rows, cut, left, right = _LAYOUT[plane]
    picture = plane_image(array, plane, array.shape[cut] // 2)
    low, high = value_range
    axes.imshow(
        picture, cmap="gray", vmin=low, vmax=high, aspect=spacing[rows] / spacing[columns], interpolation="none"
    )
    axes.set_axis_off()
    for text, x, side in ((left, 0.02, "left"), (right, 0.98, "right")):
        axes.text(x, 0.5, text, color="yellow", fontsize=6, ha=side, va="center", transform=axes.transAxes)


def _matplotlib() -> tuple[Any, Any]:
    """Figure and canvas without pyplot: no display, and no list of open figures that grows in long trainings."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: pip install matplotlib.") from error
    return Figure, FigureCanvasAgg
