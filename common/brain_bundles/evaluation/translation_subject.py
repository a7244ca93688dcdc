"""Subject of a comparison: its contrasts on the model's grid, and the scored regions of its brain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.transforms import ResampleToMatch

from brain_bundles.data.bids import segmentation_path
from brain_bundles.data.bids_index import item_scan
from brain_bundles.data.read_image import read_values
from brain_bundles.evaluation.contrast_switch import intensity_quantiles
from brain_bundles.transforms.read_image import meta_tensor
from brain_bundles.utils.plain_tensor import plain_tensor

SEGMENTATION = "segmentation"
BRAIN, TUMOUR, OUTSIDE = "brain", "tumour", "outside tumour"
Preprocessing = Callable[[Mapping[Any, Any]], Mapping[Any, Any]]


@dataclass(frozen=True)
class Subject:
    """One subject.

    Attributes:
        participant_id: id of the participant, with that of the session if there is one (sub-01_ses-02).
        volumes: contrast -> (D, H, W) in [0, 1], float32.
        tumour: boolean (D, H, W), None if it is not known.
    """

    participant_id: str
    volumes: Mapping[str, torch.Tensor]
    tumour: torch.Tensor | None = None

    @cached_property
    def brain(self) -> torch.Tensor:
        """Voxels (D, H, W) where any contrast is above 0."""
        return torch.stack([volume > 0 for volume in self.volumes.values()]).any(0)

    @cached_property
    def quantiles(self) -> dict[str, torch.Tensor]:
        """Contrast -> quantiles of its intensities in the brain."""
        return {contrast: intensity_quantiles(volume, self.brain) for contrast, volume in self.volumes.items()}

    def regions(self, brain: torch.Tensor) -> dict[str, torch.Tensor | None]:
        """Region -> its voxels (D, H, W), None for all of ``brain`` (D, H, W).

        If the tumour is known and reaches into the brain, its inside and its outside are regions too.
        """
        if self.tumour is None or not bool((brain & self.tumour).any()):
            return {BRAIN: None}
        return {BRAIN: None, TUMOUR: self.tumour, OUTSIDE: ~self.tumour}


def load_subject(
    item: Mapping[str, Any], preprocessing: Preprocessing, contrasts: Sequence[str], tumour_labels: Sequence[int] = ()
) -> Subject:
    """Load the contrasts that an item has, and resample its segmentation to them by nearest neighbours.

    Raises:
        ValueError: if the volumes differ in shape or are not (1, D, H, W).
    """
    name = str(item_scan(item))
    loaded = preprocessing({key: value for key, value in item.items() if key != SEGMENTATION})
    volumes = {contrast: plain(loaded[contrast]) for contrast in contrasts if contrast in item}
    shapes = [tuple(volume.shape) for volume in volumes.values()]
    if len(set(shapes)) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1:
        raise ValueError(
            f"{name}: {' and '.join(volumes)} have shapes {' and '.join(map(str, shapes))}, expected one shape "
            "(1, D, H, W); see image_preprocessing."
        )
    tumour = None
    if SEGMENTATION in item and tumour_labels:
        file = read_values(item[SEGMENTATION])
        read = meta_tensor(file.voxels, file.affine, str(item[SEGMENTATION]))
        labels = ResampleToMatch(mode="nearest", padding_mode="zeros")(read, img_dst=loaded[next(iter(volumes))])
        tumour = torch.isin(plain(labels)[0].round().long(), torch.tensor(list(tumour_labels)))
    return Subject(name, {contrast: volume[0] for contrast, volume in volumes.items()}, tumour)


def plain(volume: Any) -> torch.Tensor:
    """Convert to a float32 tensor on the CPU, without metadata and gradient."""
    return plain_tensor(volume).detach().float().cpu()


def with_segmentations(
    datalist: Sequence[Mapping[str, Any]], dataset_dir: str | Path, name: str = "phantom"
) -> list[dict[str, Any]]:
    """Add to each item the path of the subject's segmentation in ``derivatives/<name>``, if there is one."""
    scans = [item_scan(item) for item in datalist]
    paths = [segmentation_path(dataset_dir, scan.participant_id, name, scan.session_id) for scan in scans]
    return [
        {**item, **({SEGMENTATION: str(path)} if path.is_file() else {})}
        for item, path in zip(datalist, paths, strict=True)
    ]
