"""The look of one's own scanner, for translations: what ``--like PATH`` stands for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.inferers import Inferer
from torch import nn

from brain_bundles.data.contrast_datalist import contrast_datalist
from brain_bundles.data.contrast_spellings import contrast_of
from brain_bundles.evaluation.pair_look import PairLook, fit_pair_look, read_pair_look
from brain_bundles.evaluation.scan_look import ScanLook
from brain_bundles.evaluation.translation_cells import Cell
from brain_bundles.evaluation.translation_method import NetworkMethod
from brain_bundles.evaluation.translation_subject import Subject, load_subject
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.transforms.contrast_pair import ContrastPreprocessing
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.transforms.segmentation import NoHeadError
from brain_bundles.transforms.tissue_medians import as_arrays, sure_tissues
from brain_bundles.utils.distributed import is_main_process
from brain_bundles.utils.fingerprint import weights_hash

NIFTI = (".nii", ".nii.gz")
Look = ScanLook | PairLook


def find_look(
    like: str | os.PathLike[str] | None,
    items: Sequence[Mapping[str, Any]],
    *,
    inferer: Inferer,
    network: nn.Module,
    device: str | torch.device = "cpu",
    entities: Mapping[str, object] | None = None,
    segmenter: str | os.PathLike[str] | None = None,
    extract_brain: bool | str = False,
    seed: int = 0,
    **preprocessing: Any,
) -> Look | None:
    """Find the look that translations are to have.

    Args:
        like: the look of one's own scanner: a scan (.nii.gz) of a target contrast of anybody, whose levels of the
            tissues the translations get; a BIDS folder of people with both contrasts, on whom a curve from prediction
            to scan is fitted; or ``look.json``, which such a run has saved. null keeps the look of the training.
        items: what will be translated, of :func:`~brain_bundles.runs.translation_inputs`.
        inferer: makes the predictions of the people in a folder.
        network: the inferer's network.
        device: device of the network.
        entities: labels of the scans to choose in a folder, as for :func:`~brain_bundles.data.bids_datalist`.
        segmenter: weights of the network that finds tissues and brains; None for those that come along.
        extract_brain: take the brain out of the people's scans. Of one scan, a whole head is always told.
        seed: seed of the predictions of the people in a folder.
        **preprocessing: further options of :func:`~brain_bundles.transforms.image_preprocessing`.

    Returns:
        the look, None without ``like``.

    Raises:
        FileNotFoundError: if there is no such file or folder, or no segmenter.
        ValueError: if it is none of the three; for a scan whose contrast is not clear, or in which no head is found;
            for a file that was made with other weights, or a pair of contrasts that a file or folder lacks.
        DatasetError: for a folder that is no BIDS dataset, or scans that cannot be read.
    """
    if like is None:
        return None
    path = Path(like)
    if not path.exists():
        raise FileNotFoundError(f"like is {path}, which does not exist.")
    cells: list[Cell] = sorted({(str(item["source"]), target) for item in items for target in item["targets"]})
    if path.is_file() and path.name.lower().endswith(NIFTI):
        target = _target_of(path, list(dict.fromkeys(target for _, target in cells)))
        told = extract_brain or "auto"
        read = image_preprocessing("image", **preprocessing, warn_cut=None, extract_brain=told, segmenter=segmenter)
        scan = read({"image": str(path), "source": target})["image"]
        find_tissues = load_segmenter(segmenter)
        try:
            find_tissues(*as_arrays(scan))
        except NoHeadError as error:
            raise ValueError(f"like is {path}, in which no head was found: {error}.") from error
        return ScanLook(scan, target, partial(sure_tissues, find_tissues), name=path.name)
    made_with = {"network": weights_hash(network), "intensity_scale": preprocessing.get("intensity_scale")}
    if path.is_file() and path.suffix == ".json":
        return read_pair_look(path, cells, made_with)
    if not path.is_dir():
        raise ValueError(
            f"like is {path}, expected a scan (.nii.gz), a BIDS folder of people with both contrasts, or the look.json "
            "of an earlier run."
        )

    def people_with(contrasts: Sequence[str]) -> Iterator[Subject]:
        options = {"extract_brain": extract_brain, "segmenter": segmenter, "warn_cut": None, **preprocessing}
        read = ContrastPreprocessing(contrasts, **options)
        for item in contrast_datalist(path, contrasts, entities=entities):
            if contrasts[0] in item:
                yield load_subject(item, read, contrasts)

    method = NetworkMethod(inferer, network, device=device)
    return fit_pair_look(people_with, cells, method, made_with=made_with, name=path.resolve().name, seed=seed)


def save_look(look: Look | None, output: RunOutput) -> None:
    """Write curves of people as ``look.json`` beside run.json, in the main process; of other looks nothing.

    Args:
        look: of :func:`find_look`.
        output: output folder of the run.
    """
    if isinstance(look, PairLook) and is_main_process():
        look.save(output.log_dir)


def _target_of(path: Path, targets: Sequence[str]) -> str:
    shown = contrast_of(path)
    if shown is not None and shown in targets:
        return shown
    if shown is not None:
        raise ValueError(f"like is {path}, which shows {shown} by its name; this run makes {', '.join(targets)}.")
    if len(targets) != 1:
        raise ValueError(
            f"like is {path}; which of {', '.join(targets)} it shows cannot be told from its name. Let it end in one, "
            f"such as scan_{targets[0]}.nii.gz, or make one target."
        )
    return targets[0]
