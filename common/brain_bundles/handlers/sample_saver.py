"""Saving of the images of a sampling run, each when it is ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch

from brain_bundles.data.nifti import is_complete_nifti, write_nifti
from brain_bundles.handlers.volume_saver import VolumeSaver, check_finite, finish, unit_array
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.utils.atomic import write_json
from brain_bundles.version import __version__


class SampleSaver(VolumeSaver):
    """Write every sample of a ``SupervisedEvaluator`` to its place in a BIDS dataset, at the end of each iteration.

    A sample is ``pred`` (1, D, H, W) of ``engine.state.output``, its name ``participant_id`` of the same item of the
    batch. It gets a JSON sidecar; what it is stands once, in
    the sidecar of the data set. Values beyond [0, 1], from a decoder that overshoots, are clipped.
    Whole files that exist stay.

    Args:
        output: output folder of the run.
        pred_key: key of the volume.
        id_key: key of the participant's id.
        sidecar: entries for the JSON sidecar of each image, such as the hashes of the weights.
        postprocessing: result of :func:`~brain_bundles.transforms.sample_postprocessing` for ``pred_key``; None writes
            samples as they are.

    Raises:
        ValueError: if the run has no grid; during the run, if a sample has NaN or another shape than the grid, or the
            evaluator does not decollate.
    """

    def __init__(
        self,
        output: RunOutput,
        *,
        pred_key: str = "pred",
        id_key: str = "participant_id",
        sidecar: Mapping[str, Any] | None = None,
        postprocessing: Callable[[Mapping[str, Any]], Any] | None = None,
    ) -> None:
        if output.spatial_size is None or output.affine is None:
            raise ValueError("SampleSaver needs a grid; give the run's output a spacing and a spatial_size.")
        self.spatial_size, self.affine = output.spatial_size, output.affine
        self.output, self.pred_key, self.id_key = output, pred_key, id_key
        self.sidecar: dict[str, Any] = json.loads(json.dumps(dict(sidecar or {}), default=str))
        self.postprocessing = postprocessing

    def save_item(self, made: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        self.save(made[self.id_key] if self.id_key in made else item[self.id_key], made[self.pred_key])

    def save(self, participant_id: str, volume: torch.Tensor) -> None:
        """Write one sample (1, D, H, W), unless its whole file exists."""
        path = self.output.path(participant_id)
        if tuple(volume.shape) != (1, *self.spatial_size):
            raise ValueError(f"{participant_id}: shape {tuple(volume.shape)}, expected (1, *{self.spatial_size}).")
        check_finite(participant_id, volume)
        if not is_complete_nifti(path):
            if self.postprocessing is not None:
                volume = finish(self.postprocessing, {self.pred_key: volume})[self.pred_key]
            write_json(path.with_name(f"{path.name.removesuffix('.nii.gz')}.json"), self._describe())
            write_nifti(path, unit_array(volume), self.affine, description=f"synthesised {self.output.suffix}")

    def _describe(self) -> dict[str, Any]:
        return {
            "SkullStripped": True,
            "GeneratedBy": [{"Name": "brain-bundles", "Version": __version__}],
            **self.sidecar,
        }
