"""The images of one contrast of a set of people, as the models see them, with what is measured on each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from brain_bundles.data.anatomy import is_whole_head
from brain_bundles.data.problems import DatasetError
from brain_bundles.evaluation.populations.people import Visit
from brain_bundles.metrics.power_bands import radial_power
from brain_bundles.metrics.tissue import UnmeasurableError
from brain_bundles.metrics.tissue_levels import TissueLevels, pure_tissues, tissue_levels
from brain_bundles.transforms.background import foreground
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.utils.failure import cause_of
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.user_warning import BrainBundlesWarning

UNKNOWN_LEVELS = TissueLevels(*[float("nan")] * 4)


@dataclass(frozen=True)
class ImageSet:
    """Images of one contrast. All lists have one entry per visit.

    Attributes:
        visits: the people.
        volumes: (N, D, H, W) float32, on the collection's intensity scale, 0 outside of the brain.
        masks: (N, D, H, W) bool, the brain.
        levels: levels of the tissues; unknown for a visit without a T1w image that can be measured.
        power: (N, bins), see :func:`brain_bundles.metrics.radial_power`.
        edges: lower edges of these bins, cycles/mm.
    """

    visits: Sequence[Visit]
    volumes: torch.Tensor
    masks: torch.Tensor
    levels: Sequence[TissueLevels]
    power: np.ndarray
    edges: np.ndarray


def load_images(
    visits: Sequence[Visit],
    contrast: str,
    *,
    spacing: float = 2.0,
    spatial_size: Sequence[int] = (80, 96, 80),
    progress: str | None = None,
) -> ImageSet:
    """Read, preprocess, mask and measure the images of one contrast.

    A visit's T1w image, where there is one, is the reference of its other contrasts, which must be registered with it.

    Args:
        visits: people who have the contrast.
        contrast: the contrast.
        spacing: voxel size of the grid, mm.
        spatial_size: (D, H, W) of the grid.
        progress: text of the progress bar, None for none.

    Raises:
        DatasetError: with every image that cannot be read or is a whole head.
    """
    volumes, masks, levels, spectra, edges = [], [], [], [], np.empty(0)
    problems: list[tuple[str, str]] = []
    affine = np.diag([spacing, spacing, spacing, 1.0])
    for visit in tqdm(visits, desc=progress, unit="brain", disable=progress is None):
        keys = ["T1w", contrast] if "T1w" in visit.paths and contrast != "T1w" else [contrast]
        preprocess = image_preprocessing(keys, spacing, spatial_size, warn_cut=None)
        try:
            item = preprocess({key: str(visit.paths[key]) for key in keys})
        except (RuntimeError, ValueError) as error:  # MONAI wraps errors of its transforms
            problems.append(("unusable image", f"{visit.name}: {cause_of(error)}"))
            continue
        grids = {key: plain_tensor(item[key]).float() for key in keys}
        if is_whole_head(grids[keys[0]][0].numpy(), affine):
            problems.append(
                (
                    "looks like a whole head",
                    f"{visit.paths[keys[0]]}; extract the brain: python -m brain_bundles prepare",
                )
            )
            continue
        mask = foreground(grids[contrast])
        masks.append(mask[0])
        volumes.append(grids[contrast][0] * mask[0])
        levels.append(_levels(visit, volumes[-1], grids.get("T1w"), spacing))
        edges, power = radial_power(volumes[-1].numpy(), mask[0].numpy(), spacing)
        spectra.append(power)
    if problems:
        raise DatasetError(f"{contrast} of {len(visits)} people", problems)
    return ImageSet(visits, torch.stack(volumes), torch.stack(masks), levels, np.stack(spectra), edges)


def _levels(visit: Visit, volume: torch.Tensor, t1: torch.Tensor | None, spacing: float) -> TissueLevels:
    if t1 is None:
        return UNKNOWN_LEVELS
    try:
        tissues = pure_tissues(t1[0].numpy(), foreground(t1)[0].numpy(), spacing)
    except UnmeasurableError as error:
        warnings.warn(f"{visit.paths['T1w']}: its tissues are not known: {error}", BrainBundlesWarning, stacklevel=3)
        return UNKNOWN_LEVELS
    return tissue_levels(volume.numpy(), tissues)
