"""Saving of segmentations, each on the grid of its scan and when it is ready."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from brain_bundles.data.bids import source_uri
from brain_bundles.data.nifti import is_complete_nifti, write_labels
from brain_bundles.data.read_image import read_header
from brain_bundles.handlers.translation_saver import spatial_reference
from brain_bundles.handlers.volume_saver import VolumeSaver, check_finite, finish
from brain_bundles.runs.run_output import RunOutput, image_rows
from brain_bundles.runs.segmentation_tables import FLAGS, QUALITY, VOLUMES, sidecar_path
from brain_bundles.transforms.segmentation import NoHeadError, Segmentation
from brain_bundles.transforms.segmentation_postprocessing import segmentation_postprocessing
from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.atomic import write_json
from brain_bundles.version import __version__

logger = logging.getLogger(__name__)


class SegmentationSaver(VolumeSaver):
    """Write the brain mask and the segmentation of each scan of a ``SupervisedEvaluator``, at the end of an iteration.

    An item of the batch is one scan, from :func:`~brain_bundles.runs.segmentation_inputs`. Its probabilities (C, D, H,
    W) on the model's grid are ``pred`` of the same item of ``engine.state.output``. Files have the shape and the forms
    of the scan, and a sidecar with volumes, quality, flags and origin. The segmentation is written last. A scan in
    which no head is found gets no file: its name and the reason are added to ``problems``.

    Args:
        output: output folder of the run.
        problems: list of (kind, detail) of what was left out.
        postprocessing: result of :func:`~brain_bundles.transforms.segmentation_postprocessing` for ``pred_key`` and
            ``image_key``; None for one with its defaults.
        image_key: key of the preprocessed scan in the batch, a MetaTensor that knows its file and its affine.
        pred_key: key of the probabilities.
        sidecar: entries for the sidecars, such as the hash of the weights.

    Raises:
        ValueError: during the run, if probabilities are not finite, or the evaluator does not decollate.
    """

    def __init__(
        self,
        output: RunOutput,
        problems: list[tuple[str, str]],
        *,
        postprocessing: Callable[[Mapping[str, Any]], Any] | None = None,
        image_key: str = "image",
        pred_key: str = "pred",
        sidecar: Mapping[str, Any] | None = None,
    ) -> None:
        self.output, self.problems = output, problems
        self.postprocessing = postprocessing or segmentation_postprocessing(pred_key=pred_key, image_key=image_key)
        self.image_key, self.pred_key = image_key, pred_key
        self.sidecar: dict[str, Any] = json.loads(json.dumps(dict(sidecar or {}), default=str))

    def save_item(self, made: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        rows = image_rows(item)
        if all(is_complete_nifti(self.output.path(row)) for row in rows):
            return
        image, probabilities = item[self.image_key], made[self.pred_key]
        check_finite(item["participant_id"], probabilities, "prediction")
        source = file_of(image)
        header = read_header(source)
        try:
            maps = finish(self.postprocessing, {self.image_key: image, self.pred_key: probabilities})
        except NoHeadError as error:
            self.problems.append(("no head found", f"{source}: {error}"))
            logger.warning("Not segmented, %s: %s", *self.problems[-1])
            return
        found: Segmentation = maps["segmentation"]
        if found.flags:
            logger.warning("%s: look at %s, whose quality is low.", source, ", ".join(found.flags))
        for row in rows:
            path = self.output.path(row)
            mask = row["target"] == "mask"
            write_json(sidecar_path(path), self._describe(row, Path(source), found, mask=mask))
            write_labels(
                path,
                found.brain_mask if mask else found.numbers,
                header.affine,
                like=header,
                description=f"{'brain mask' if mask else 'structures'} of {Path(source).name}",
            )

    def _describe(self, row: Mapping[str, Any], source: Path, found: Segmentation, *, mask: bool) -> dict[str, Any]:
        source_dir = self.output.source_dir
        uri = source.name if source_dir is None else source_uri(source, source_dir)
        numbers = {
            VOLUMES: {name: round(value, 3) for name, value in found.volumes.items()},
            "VolumeUnits": "mL",
            QUALITY: {name: round(value, 4) for name, value in found.quality.items()},
            FLAGS: list(found.flags),
        }
        what = "Mask of the space inside of the skull" if mask else "Structures of the brain, FreeSurfer's numbers"
        return {
            "Description": f"{what}; found by a network, not drawn by a person",
            **({"Type": "Brain"} if mask else {"Manual": False}),
            "Sources": [uri],
            **spatial_reference(source, uri),
            "SourceContrast": row["source"],
            "SourceHash": row["source_sha256"],
            **({} if mask else numbers),
            "GeneratedBy": [{"Name": "brain-bundles", "Version": __version__}],
            **self.sidecar,
        }
