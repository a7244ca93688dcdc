"""One subject of the head population on disk, and the derivatives that only it has."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch

from brain_bundles.data.bids import (
    image_path,
    segmentation_path,
    write_dataset_description,
    write_segmentation_description,
)
from brain_bundles.data.covariates import Covariates
from brain_bundles.data.grid import grid_affine
from brain_bundles.data.nifti import write_labels, write_nifti
from brain_bundles.phantom.heads.people import Person
from brain_bundles.phantom.heads.source import render_possible
from brain_bundles.phantom.heads.split import anatomy_name
from brain_bundles.phantom.heads.subject import freesurfer_names
from brain_bundles.phantom.scanner import Scan, acquisition_of
from brain_bundles.phantom.spec import PhantomSpec
from brain_bundles.utils.atomic import write_json

BRIGHTEST = 0.9995  # the quantile of an image that is brought to 1 if it is above
SEGMENTATION, FREESURFER, BRAIN_MASK = "phantom", "freesurfer", "brain_mask"
HEAD_LICENSE = (
    "As the label maps that GeneratedBy names. Those of SynthSeg and SynthSR are Apache-2.0: Billot et al. 2023, "
    "Medical Image Analysis 86:102789; Iglesias et al. 2021, NeuroImage 237:118206"
)


def describe_head_derivatives(folder: Path, *, freesurfer_labels: bool, brain_mask: bool) -> None:
    """Describe the derivatives that are asked for."""
    if freesurfer_labels:
        write_segmentation_description(folder, FREESURFER, freesurfer_names(), title="Structures of the phantoms")
    if brain_mask:
        write_dataset_description(folder / "derivatives" / BRAIN_MASK, "Brain masks of the phantoms", derivative=True)


def brain_mask_path(dataset_dir: Path, participant_id: str) -> Path:
    """Path of the mask of the intracranial space of a whole head."""
    folder = dataset_dir / "derivatives" / BRAIN_MASK / participant_id / "anat"
    return folder / f"{participant_id}_desc-brain_mask.nii.gz"


def write_head_subject(
    dataset_dir: Path, participant_id: str, covariates: Covariates, seed: int, spec: PhantomSpec
) -> dict[str, object]:
    """Write all images of one subject and return its row of participants.tsv."""
    assert spec.head is not None
    acquisition = acquisition_of(spec.acquisition)
    person, subject = render_possible(
        cast(Person, covariates),
        seed=seed,
        spatial_size=spec.spatial_size,
        spacing=spec.spacing,
        options=acquisition.placed(spec.head, seed),
    )
    affine = grid_affine(spec.spacing, spec.spatial_size)
    for suffix in spec.suffixes:
        scan = acquisition.draw(subject, suffix)
        image = acquisition.image(subject, scan, whole_head=spec.head.whole_head)
        path = image_path(dataset_dir, participant_id, suffix)
        write_nifti(path, within_one(image).numpy(), affine)
        write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), scan_sidecar(scan, spec))
    write_labels(segmentation_path(dataset_dir, participant_id, SEGMENTATION), subject.tissue_labels(), affine)
    if spec.freesurfer_labels:
        write_labels(segmentation_path(dataset_dir, participant_id, FREESURFER), subject.freesurfer_labels(), affine)
    if spec.head.whole_head:
        mask = subject.brain_mask.numpy().astype(np.uint8)
        write_labels(brain_mask_path(dataset_dir, participant_id), mask, affine)
    return {
        "participant_id": participant_id,
        "age": round(person.age, 1),
        "sex": person.sex,
        **{name: round(volume, 2 if name == "ventricular_volume" else 1) for name, volume in subject.volumes.items()},
        "anatomy": anatomy_name(spec.head.anatomy),
        "mirrored": "yes" if spec.head.mirrored else "no",
    }


def within_one(image: torch.Tensor) -> torch.Tensor:
    """The image within [0, 1], scaled if a tissue is above 1, such as fat; single bright voxels are cut."""
    if float(image.max()) > 1.0:  # else there is nothing to sort
        image = image / max(1.0, float(np.quantile(image.numpy(), BRIGHTEST)))
    return image.clamp(0.0, 1.0)


def scan_sidecar(scan: Scan, spec: PhantomSpec) -> dict[str, object]:
    """Sidecar of an image: its sequence in BIDS's names and units, and the whole record as ``PhantomScan``."""
    assert spec.head is not None
    sidecar: dict[str, object] = {"SkullStripped": not spec.head.whole_head}
    if "tesla" in scan.sequence:
        sidecar["MagneticFieldStrength"] = scan.sequence["tesla"]
        sidecar["FlipAngle"] = scan.sequence["flip"]
        for name, key in (("RepetitionTime", "tr"), ("EchoTime", "te"), ("InversionTime", "ti")):
            if scan.sequence[key]:
                sidecar[name] = round(scan.sequence[key] / 1000.0, 6)  # seconds
    return {**sidecar, "PhantomScan": {"acquisition": spec.acquisition, **scan.to_dict()}}
