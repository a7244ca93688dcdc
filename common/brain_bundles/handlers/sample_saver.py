"""Saving what a sampling run makes: each image when it is ready, and one picture at the end."""

from __future__ import annotations

import logging

import nibabel as nib
import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from brain_bundles.data.nifti import is_complete_nifti, write_nifti
from brain_bundles.data.run_output import RunOutput
from brain_bundles.handlers.decollated import check_finite, decollated_items, first_after_all, unit_array
from brain_bundles.handlers.montage import save_montage

logger = logging.getLogger(__name__)


class SampleSaver:
    """Write every sample of a ``SupervisedEvaluator`` to its place in a BIDS dataset, at the end of each iteration.

    A sample is ``pred`` (1, D, H, W) of ``engine.state.output``, its name ``participant_id`` of the same item of the
    batch. Values beyond [0, 1], where a decoder overshoots, are clipped. Files that are there and whole stay.

    Args:
        output: the run's folder.
        pred_key: key of the volume.
        id_key: key of the participant's id.

    Raises:
        ValueError: if the run has no grid; in the run, if a sample has NaN or another shape than the grid, or the
            evaluator does not decollate.
    """

    def __init__(self, output: RunOutput, *, pred_key: str = "pred", id_key: str = "participant_id") -> None:
        if output.spatial_size is None or output.affine is None:
            raise ValueError("SampleSaver needs a grid; give the run's output a spacing and a spatial_size.")
        self.spatial_size, self.affine = output.spatial_size, output.affine
        self.output, self.pred_key, self.id_key = output, pred_key, id_key

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        for made, asked in decollated_items(engine, "SampleSaver"):
            self.save(made[self.id_key] if self.id_key in made else asked[self.id_key], made[self.pred_key])

    def save(self, participant_id: str, volume: torch.Tensor) -> None:
        """Write one sample (1, D, H, W), unless its whole file is there."""
        path = self.output.path(participant_id)
        if tuple(volume.shape) != (1, *self.spatial_size):
            raise ValueError(f"{participant_id}: shape {tuple(volume.shape)}, expected (1, *{self.spatial_size}).")
        check_finite(participant_id, volume)
        if not is_complete_nifti(path):
            write_nifti(path, unit_array(volume), self.affine)


def write_preview(output: RunOutput, *, max_samples: int = 8) -> None:
    """Write preview.png: three planes of the first finished samples, labelled with their conditions.

    Every process calls it once after sampling: they wait for one another, then the first one writes.

    Raises:
        ValueError: if the run has no grid.
    """
    if not first_after_all():
        return
    if output.affine is None:
        raise ValueError("write_preview needs a grid; for translations there is write_translation_preview.")
    volumes: list[NDArray[np.float32]] = []
    labels: list[str] = []
    for row in output.rows:
        path = output.path(row["participant_id"])
        if len(volumes) < max_samples and is_complete_nifti(path):
            volumes.append(np.asarray(nib.nifti1.Nifti1Image.from_filename(path).dataobj, dtype=np.float32))
            who = f"{row['participant_id']}: {row['age']:g} years, {row['sex']}"
            labels.append(f"{who}\nventricles {row['ventricular_volume']:g} mL, brain {row['brain_volume']:g} mL")
    if volumes:
        spacing = np.diag(output.affine)[:3].tolist()
        try:
            save_montage(output.output_dir / "preview.png", np.stack(volumes), labels, spacing=spacing)
        except ImportError as error:  # the images are what was asked for; a picture of them is a courtesy
            logger.warning("No preview.png: %s", error)
