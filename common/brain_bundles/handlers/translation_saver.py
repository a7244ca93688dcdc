"""Saving translations: each on the grid of its source file when it is ready, and one picture at the end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from brain_bundles.data.checks import image_grid
from brain_bundles.data.nifti import is_complete_nifti, write_nifti
from brain_bundles.handlers.volume_saver import VolumeSaver, check_finite, unit_array
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.utils.atomic import write_json
from brain_bundles.version import __version__

logger = logging.getLogger(__name__)


class TranslationSaver(VolumeSaver):
    """Write every translation of a ``SupervisedEvaluator`` to its place, at the end of each iteration.

    A translation is ``pred`` of ``engine.state.output`` on the model's grid: (1, D, H, W), or (2, D, H, W) with the
    voxels' standard deviation over several draws. Its row of the run is found by ``participant_id`` and ``file`` of the
    same item of the batch. It is brought back to the grid of the source file,
    0 outside of the model's, clipped to [0, 1] and written with the shape and the affine of that file, beside a JSON
    sidecar that says what it was made from. The image itself comes last: where it is whole, so is what belongs to it.
    Files that are there and whole stay. The standard deviation goes beside the image as
    ``sub-0001_desc-std_T2w.nii.gz``, or with ``_std`` outside of BIDS.

    Args:
        output: the run's folder, whose rows are those of :func:`translation_inputs`.
        invert: what :func:`invert_preprocessing` gave for ``pred_key`` and ``image_key``.
        image_key: key of the preprocessed source in the batch, which remembers its way.
        pred_key: key of the translation.
        sidecar: entries for the sidecars, such as the hashes of the weights; they win over those of the row. BIDS wants
            ``SkullStripped``, which is true by default since the models are for brains without skull.

    Raises:
        ValueError: in the run, if a volume has NaN or does not come back to the grid of its source, if the way back is
            not known, an item is of no row, or the evaluator does not decollate.
    """

    def __init__(
        self,
        output: RunOutput,
        invert: Callable[[Mapping[str, Any]], Mapping[Any, Any]],
        *,
        image_key: str = "image",
        pred_key: str = "pred",
        sidecar: Mapping[str, Any] | None = None,
    ) -> None:
        self.output, self.invert = output, invert
        self.image_key, self.pred_key = image_key, pred_key
        self.sidecar: dict[str, Any] = json.loads(json.dumps(dict(sidecar or {}), default=str))
        self.rows = {output.path(row): row for row in output.rows}

    def save_item(self, made: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        self.save(item, *made[self.pred_key].split(1))

    def save(self, item: Mapping[str, Any], pred: torch.Tensor, std: torch.Tensor | None = None) -> None:
        """Write one translation (1, D, H, W) of the preprocessed ``item``, unless its whole file is there."""
        path = self.output.path(item)
        if path not in self.rows:
            raise ValueError(f"{item['participant_id']}: {path} belongs to no row of this run.")
        row = self.rows[path]
        volumes = [(pred, path, "translation")]
        if std is not None:
            volumes.insert(0, (std, std_path(path, bids=self.output.bids), "standard deviation"))
        for volume, where, what in volumes:
            check_finite(row["participant_id"], volume, what)
            if is_complete_nifti(where):
                continue
            array, affine = self._bring_back(row, item[self.image_key], volume)
            write_json(where.with_name(f"{where.name.removesuffix('.nii.gz')}.json"), self._describe(row, what))
            write_nifti(where, array, affine)

    def _bring_back(
        self, row: Mapping[str, Any], image: Any, volume: torch.Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """A volume on the grid of the row's source, and the affine of that."""
        plain = volume.as_tensor() if isinstance(volume, MetaTensor) else volume
        expected = tuple(image.shape[-3:])
        if tuple(plain.shape) != (1, *expected):
            raise ValueError(f"{row['participant_id']}: shape {tuple(plain.shape)}, expected (1, *{expected}).")
        back = self.invert({self.image_key: image, self.pred_key: plain.detach().float().cpu()})[self.pred_key]
        shape, affine = image_grid(row["image"])
        if tuple(back.shape) != (1, *shape) or not np.allclose(back.affine.numpy(), affine, rtol=0, atol=1e-2):
            raise ValueError(
                f"{row['image']}: the translation comes back with shape {tuple(back.shape[1:])} and affine "
                f"{back.affine.tolist()}, the file has {shape} and {affine.tolist()}; did it change during the run?"
            )
        return unit_array(back), affine

    def _describe(self, row: Mapping[str, Any], what: str) -> dict[str, Any]:
        image = Path(row["image"])
        source, target = row.get("source"), row.get("target", self.output.suffix)
        volume = f"{target} volume, synthesised from {source or 'another contrast'}; not acquired"
        return {
            "Description": volume if what == "translation" else f"{what} over several draws of a {volume}",
            # In BIDS sub-0001/anat/sub-0001_T1w.nii.gz, relative to the source's dataset, wherever that lies.
            "Sources": ["/".join(image.parts[-3:]) if self.output.bids else image.name],
            "SkullStripped": True,
            "SourceContrast": source,
            "TargetContrast": target,
            "SourceHash": row.get("source_sha256"),
            "Seed": row.get("seed"),
            "GeneratedBy": [{"Name": "brain-bundles", "Version": __version__}],
            **self.sidecar,
        }


def std_path(path: Path, *, bids: bool) -> Path:
    """Where the standard deviation of a translation goes, beside the image ``path`` (.nii.gz)."""
    stem = path.name.removesuffix(".nii.gz")
    if not bids:
        return path.with_name(f"{stem}_std.nii.gz")
    entities, suffix = stem.rsplit("_", 1)
    return path.with_name(f"{entities}_desc-std_{suffix}.nii.gz")
