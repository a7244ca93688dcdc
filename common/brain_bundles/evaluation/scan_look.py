"""The look of one scan of anybody: its levels of the tissues, for translations to its contrast."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from brain_bundles.transforms.monotone_curve import MonotoneCurve
from brain_bundles.transforms.source_file import file_of
from brain_bundles.transforms.tissue_medians import tissue_medians

logger = logging.getLogger(__name__)
LEAST_TISSUES = 2


class ScanLook:
    """Curves that give each translation the levels of the tissues that one scan has.

    The tissues of a translation are those of its source, which is the same brain and was really scanned. The curve goes
    through the medians of each tissue in both, weighted by the smaller number of voxels. It never falls: where the two
    disagree on which of two tissues is brighter, both get one level.

    Args:
        scan: (1, D, H, W), preprocessed as the sources are: a brain on the model's grid and scale.
        target: contrast of the scan.
        tissues_of: gives the tissues (D, H, W) of an image, see
            :func:`~brain_bundles.transforms.tissue_medians.sure_tissues`.
        name: name of the scan, for messages and sidecars.

    Attributes:
        levels: tissue -> its median in the scan, and the number of voxels.

    Raises:
        ValueError: if fewer than two tissues are sure in the scan.
    """

    def __init__(
        self, scan: MetaTensor, target: str, tissues_of: Callable[[MetaTensor], NDArray[np.uint8]], *, name: str
    ) -> None:
        self.target, self.tissues_of, self.name = target, tissues_of, name
        self.levels = tissue_medians(scan[0], tissues_of(scan))
        if len(self.levels) < LEAST_TISSUES:
            found = ", ".join(self.levels) or "no tissue"
            raise ValueError(f"like is {name}, in which only {found} is sure; give a scan of a whole brain.")
        self._last: tuple[MetaTensor, NDArray[np.uint8]] | None = None  # of several targets the source is one

    def curve(self, image: MetaTensor, source: str, target: str, volume: torch.Tensor) -> MonotoneCurve | None:
        """The curve of one translation; None for another contrast than that of the scan.

        Where fewer than two tissues are sure in the source, a warning says so, and there is no curve.

        Args:
            image: the preprocessed source (1, D, H, W).
            source, target: the two contrasts.
            volume: the translation (D, H, W) on the grid of ``image``, in [0, 1].
        """
        if target != self.target:
            return None
        if self._last is None or self._last[0] is not image:
            self._last = image, self.tissues_of(image)
        made = tissue_medians(volume, self._last[1])
        common = [tissue for tissue in made if tissue in self.levels]
        if len(common) < LEAST_TISSUES:
            found = ", ".join(made) or "none"
            logger.warning("%s: it keeps its look, as its tissues are not sure (%s).", file_of(image), found)
            return None
        x, y = ([levels[tissue][0] for tissue in common] for levels in (made, self.levels))
        return MonotoneCurve.fit(x, y, [min(made[tissue][1], self.levels[tissue][1]) for tissue in common])
