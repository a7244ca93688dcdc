"""Checks of each subject's images: readable files, usable voxels, one grid for all contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from brain_bundles.data.checks import ImageCheck, check_image, image_grid, log_doubts


def subject_problems(
    datalist: Sequence[Mapping[str, Any]], keys: Sequence[str], *, tolerance: float = 1e-3, strict: bool = False
) -> list[tuple[str, str]]:
    """Problems of the subjects' contrasts, as (kind, detail): bad files and different grids.

    Args:
        datalist: items with a path under some or all of ``keys``.
        keys: contrasts.
        tolerance: largest allowed difference between entries of the affines, mm.
        strict: refuse images that do not look like one brain without skull; otherwise the log names them.
    """
    problems: list[tuple[str, str]] = []
    checks: list[ImageCheck] = []
    for number, item in enumerate(tqdm(datalist, desc="check images", unit="subject", disable=None), start=1):
        who = str(item.get("participant_id", f"item {number}"))
        paths = {}
        for key in (key for key in keys if key in item):
            checks.append(check_image(item[key], strict=strict))
            if problem := checks[-1].problem:
                problems.append(problem)
            else:
                paths[key] = str(item[key])
        if text := _difference(paths, tolerance):
            problems.append(("different grids", f"{who}: {text}"))
    log_doubts(checks)
    return problems


def _difference(paths: Mapping[str, str], tolerance: float) -> str | None:
    """Differences of the images from the first one in shape or affine, as text; None if there are none."""
    grids = {key: image_grid(path) for key, path in paths.items()}
    if not grids:
        return None
    first = next(iter(grids))
    shape, affine = grids[first]
    other = [
        key
        for key, (s, a) in grids.items()
        if s != shape or not np.allclose(a, affine, rtol=0, atol=tolerance, equal_nan=False)
    ]
    if not other:
        return None
    shown = [f"{paths[k]} has shape {grids[k][0]} and affine {grids[k][1].round(4).tolist()}" for k in (first, *other)]
    return f"{', '.join(shown)}; register and resample the contrasts to one grid first"
