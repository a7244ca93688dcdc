"""The segmenter, to call from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monai.data import MetaTensor

from brain_bundles.bundle.bundle import Bundle, Progress
from brain_bundles.bundle.images import Image, as_file, folder_or_temporary, read_result
from brain_bundles.data.bids import read_json
from brain_bundles.runs.segmentation_tables import FLAGS, QUALITY, VOLUMES, sidecar_path


@dataclass(frozen=True)
class SegmentedBrain:
    """A segmentation on the grid of its scan.

    Attributes:
        structures: (1, D, H, W), FreeSurfer's numbers.
        brain_mask: (1, D, H, W), 1 inside of the skull.
        volumes: mL, by structure and side, and of the whole.
        quality: score from 0 to 1 of each group of structures, and of the whole.
        flags: groups whose score is low.
    """

    structures: MetaTensor = field(repr=False)
    brain_mask: MetaTensor = field(repr=False)
    volumes: Mapping[str, float]
    quality: Mapping[str, float]
    flags: tuple[str, ...]


class Segmenter(Bundle):
    """A bundle that finds the brain and its parts in a scan of any contrast."""

    def segment(
        self,
        image: Image,
        *,
        output_dir: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> SegmentedBrain:
        """Segment one scan, a whole head or a brain.

        Args:
            image: NIfTI file, or a MetaTensor (1, D, H, W) or (D, H, W) with its affine, of any grid and orientation.
            output_dir: folder that keeps the files of the run; by default it is removed again.
            progress: called with the number of finished batches and of all.
            **options: further keys of ``configs/inference.json``, such as ``flip``.

        Raises:
            DatasetError: if the scan cannot be used, or no head is found in it, with the reason.
            FileNotFoundError: without the weights.
            ValueError: for an option that is no key.
        """
        with as_file(image) as path, folder_or_temporary(output_dir) as folder:
            output = self.run(folder, progress=progress, **{"dataset_dir": None, "input": str(path), **options})
            made = {row["target"]: output.path(row) for row in output.rows}
            about = read_json(sidecar_path(made["dseg"]))
            return SegmentedBrain(
                structures=read_result(made["dseg"]),
                brain_mask=read_result(made["mask"]),
                volumes=about[VOLUMES],
                quality=about[QUALITY],
                flags=tuple(about[FLAGS]),
            )
