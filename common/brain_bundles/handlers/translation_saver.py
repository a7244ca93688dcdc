"""Saving of translations, each on the grid of its source file and when it is ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from brain_bundles.data.bids import read_json, source_uri
from brain_bundles.data.bids_names import BidsName, parse_name
from brain_bundles.data.nifti import is_complete_nifti, write_nifti
from brain_bundles.data.nifti_header import NiftiHeader
from brain_bundles.data.read_image import read_header
from brain_bundles.handlers.volume_saver import VolumeSaver, check_finite, finish, unit_array
from brain_bundles.runs.input_files import ANY
from brain_bundles.runs.run_output import RunOutput, image_rows
from brain_bundles.transforms.extract_brain import BRAIN_EXTRACTION, BRAIN_MASK
from brain_bundles.transforms.monotone_curve import MonotoneCurve
from brain_bundles.transforms.source_file import file_of
from brain_bundles.transforms.translation_postprocessing import NATIVE_DETAIL
from brain_bundles.utils.atomic import write_json
from brain_bundles.version import __version__

TRANSLATION, STANDARD_DEVIATION = "translation", "standard deviation"
LOOK = "look"  # entry of a row: what the sidecar says of its curve


class Look(Protocol):
    """Gives the curve by which a translation gets the look of a scanner, such as
    :class:`~brain_bundles.evaluation.scan_look.ScanLook`; None where it keeps its own.
    """

    name: str

    def curve(self, image: MetaTensor, source: str, target: str, volume: torch.Tensor) -> MonotoneCurve | None: ...


class TranslationSaver(VolumeSaver):
    """Write the translations of a ``SupervisedEvaluator`` to their places, at the end of each iteration.

    An item of the batch is one source with T targets, from :func:`~brain_bundles.runs.translation_inputs`. Its
    translations are ``pred`` of the same item of ``engine.state.output``, on the model's grid: (T, D, H, W), or
    (2 T, D, H, W) with the voxels' standard deviations over several draws after them. ``postprocessing`` brings each
    volume back to the grid of the source file, within [0, 1], and exactly 0 outside of the model's grid and of the
    source's brain. The written file has the shape, the forms with their codes, the unit and the data type of the source
    file, and a JSON sidecar with its origin. The translation is written last: if its file is whole, the others are
    whole too. Whole files that exist stay. The standard deviation goes beside the image as
    ``sub-0001_desc-std_T2w.nii.gz``, or with ``_std`` outside of BIDS.

    Args:
        output: output folder of the run.
        postprocessing: result of :func:`~brain_bundles.transforms.translation_postprocessing` for ``pred_key`` and
            ``image_key``.
        image_key: key of the preprocessed source in the batch, which remembers its file and its transforms.
        pred_key: key of the translations.
        look: gives each translation the look of a scanner, on the model's grid and scale, before it is brought back; a
            standard deviation becomes half of the distance between the mean plus and the mean minus it. The curve is in
            the sidecar. None leaves the translations as they are.
        sidecar: entries for the sidecars, such as the hashes of the weights; they replace the default entries. BIDS
            requires ``SkullStripped``; it is what the check of the source found.

    Raises:
        ValueError: during the run, if a volume has NaN or does not come back to the grid of its source, if the applied
            transforms are unknown, a file does not belong to the run, or the evaluator does not decollate.
    """

    def __init__(
        self,
        output: RunOutput,
        postprocessing: Callable[[Mapping[str, Any]], Any],
        *,
        image_key: str = "image",
        pred_key: str = "pred",
        look: Look | None = None,
        sidecar: Mapping[str, Any] | None = None,
    ) -> None:
        self.output, self.postprocessing = output, postprocessing
        self.image_key, self.pred_key, self.look = image_key, pred_key, look
        self.sidecar: dict[str, Any] = json.loads(json.dumps(dict(sidecar or {}), default=str))
        self.paths = {path for item in output.items for path in output.paths(item)}

    def save_item(self, made: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        self.save(item, made[self.pred_key])

    def save(self, item: Mapping[str, Any], volumes: torch.Tensor) -> None:
        """Write the translations (T, D, H, W), or (2 T, D, H, W), of one ``item``, unless their whole files exist.

        Raises:
            ValueError: see :class:`TranslationSaver`.
        """
        rows, image = image_rows(item), item[self.image_key]
        for row in rows:
            if self.output.path(row) not in self.paths:
                raise ValueError(f"{row['participant_id']}: {self.output.path(row)} belongs to no row of this run.")
        expected = (len(rows), *image.shape[-3:])
        if tuple(volumes.shape[1:]) != expected[1:] or len(volumes) not in (len(rows), 2 * len(rows)):
            raise ValueError(
                f"{item['participant_id']}: shape {tuple(volumes.shape)}, expected {expected}, or twice as many "
                "channels with standard deviations."
            )
        extracted = {key: item[key] for key in (BRAIN_MASK, BRAIN_EXTRACTION) if key in item}
        for number, row in enumerate(rows):
            spread = volumes[len(rows) + number] if len(volumes) > len(rows) else None
            # Here, since a look brings infinity to 1.
            check_finite(row["participant_id"], volumes[number], TRANSLATION)
            if spread is not None:
                check_finite(row["participant_id"], spread, STANDARD_DEVIATION)
            mean, spread, look = self._like(row, image, volumes[number], spread)
            if spread is not None:
                self._write({**row, **extracted, LOOK: look}, image, spread, STANDARD_DEVIATION)
            self._write({**row, **extracted, LOOK: look}, image, mean, TRANSLATION)

    def _like(
        self, row: Mapping[str, Any], image: MetaTensor, mean: torch.Tensor, spread: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None, dict[str, Any]]:
        """A translation and its standard deviation (D, H, W) with the look, and the entry of the sidecar."""
        curve = None if self.look is None else self.look.curve(image, row["source"], row["target"], mean.clamp(0, 1))
        if self.look is None or curve is None:
            return mean, spread, {}
        if spread is not None:
            spread = (curve(mean + spread) - curve(mean - spread)) / 2
        return curve(mean), spread, {"Look": {"Like": self.look.name, "Curve": curve.points.tolist()}}

    def _write(self, row: Mapping[str, Any], image: torch.Tensor, volume: torch.Tensor, what: str) -> None:
        """Write one volume (D, H, W) and its sidecar, unless its whole file exists."""
        path = self.output.path(row)
        if what == STANDARD_DEVIATION:
            path = std_path(path, bids=self.output.bids)
        if is_complete_nifti(path):
            return
        array, header, source = self._bring_back(image, volume[None], row.get(BRAIN_MASK), what)
        sidecar = path.with_name(f"{path.name.removesuffix('.nii.gz')}.json")
        write_json(sidecar, self._describe(row, Path(source), what, voxel_sizes(header.affine)))
        description = f"{row['target']} synthesised from {_source_of(row)}, {what}"
        write_nifti(path, array, header.affine, like=header, description=description)

    def _bring_back(
        self, image: torch.Tensor, volume: torch.Tensor, brain_mask: bytes | None, what: str
    ) -> tuple[NDArray[np.float32], NiftiHeader, str]:
        """A volume (1, D, H, W) on the grid of the source file, and the header and path of that file."""
        found = {self.image_key: image, self.pred_key: volume, BRAIN_MASK: brain_mask or b""}
        found[NATIVE_DETAIL] = what == TRANSLATION  # a standard deviation has no detail of the source
        back = finish(self.postprocessing, found)[self.pred_key]
        source = file_of(image)
        header = read_header(source)
        shape, affine = header.shape, header.affine
        if tuple(back.shape) != (1, *shape) or not np.allclose(back.affine.numpy(), affine, rtol=0, atol=1e-2):
            raise ValueError(
                f"{source}: the translation comes back with shape {tuple(back.shape[1:])} and affine "
                f"{back.affine.tolist()}, the file has {shape} and {affine.tolist()}; did it change during the run?"
            )
        return unit_array(back), header, source

    def _describe(
        self, row: Mapping[str, Any], image: Path, what: str, voxel_size: NDArray[np.float64]
    ) -> dict[str, Any]:
        source, target = row["source"], row["target"]
        volume = f"{target} volume, synthesised from {_source_of(row)}; not acquired"
        model = self.sidecar.get("ModelSpacing")
        if model is not None and np.any(voxel_size < 0.99 * np.asarray(model)):
            detail = ", with the detail of the source" if self.sidecar.get("NativeDetail") else ""
            volume += f"; made at {model} mm and interpolated to {np.round(voxel_size, 2).tolist()} mm{detail}"
        source_dir = self.output.source_dir
        uri = image.name if source_dir is None else source_uri(image, source_dir)
        return {
            "Description": volume if what == TRANSLATION else f"{what} over several draws of a {volume}",
            "Sources": [uri],
            **spatial_reference(image, uri),
            "SkullStripped": bool(row["skull_stripped"] or row.get(BRAIN_EXTRACTION)),
            **({"BrainExtraction": row[BRAIN_EXTRACTION]} if row.get(BRAIN_EXTRACTION) else {}),
            "SourceContrast": source,
            "TargetContrast": target,
            **row[LOOK],
            "SourceHash": row["source_sha256"],
            "Seed": row["seed"],
            "GeneratedBy": [{"Name": "brain-bundles", "Version": __version__}],
            **self.sidecar,
        }


def spatial_reference(image: Path, uri: str) -> dict[str, Any]:
    """Entry SpatialReference of what is made on the grid of ``image``, which BIDS asks for beside ``space-``.

    It is that of the source, which is ``uri`` itself if its own sidecar says nothing.
    """
    name = parse_name(image.name)
    if name is None or "space" not in name.entities:
        return {}
    sidecar = read_json(image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json"))
    reference = sidecar.get("SpatialReference", uri)
    if isinstance(reference, str) and reference.startswith("bids::"):  # relative to the source's dataset
        reference = f"bids:source:{reference.removeprefix('bids::')}"
    return {"SpatialReference": reference}


def std_path(path: Path, *, bids: bool) -> Path:
    """Path of the standard deviation of a translation, beside the image ``path`` (.nii.gz)."""
    if not bids:
        return path.with_name(f"{path.name.removesuffix('.nii.gz')}_std.nii.gz")
    name = parse_name(path.name)
    assert name is not None  # RunOutput names it
    return path.with_name(str(BidsName({**name.entities, "desc": "std"}, name.suffix)))


def _source_of(row: Mapping[str, Any]) -> str:
    """The source's contrast, in words."""
    return "a scan of unknown contrast" if row["source"] == ANY else str(row["source"])
