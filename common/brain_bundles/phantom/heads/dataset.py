"""One subject of the head population on disk, and the derivatives that only it has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import numpy as np

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
from brain_bundles.phantom.heads.source import draw_person
from brain_bundles.phantom.heads.split import anatomy_name
from brain_bundles.phantom.heads.subject import freesurfer_names, render_subject
from brain_bundles.phantom.heads.volumes import ImpossibleHeadError
from brain_bundles.phantom.spec import PhantomSpec
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)
MAX_DRAWS = 10  # of a person for one anatomy
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
    person, draws = cast(Person, covariates), 1
    while True:
        try:
            subject = render_subject(
                person, seed=seed, spatial_size=spec.spatial_size, spacing=spec.spacing, options=spec.head
            )
            break
        except ImpossibleHeadError as error:  # one in some hundreds: another person for this anatomy
            if draws == MAX_DRAWS:
                raise
            logger.info("%s: drawn again, %s", participant_id, error)
            person = draw_person(derive_seed(seed, "drawn again", draws))
            draws += 1
    affine = grid_affine(spec.spacing, spec.spatial_size)
    for suffix in spec.suffixes:
        write_nifti(image_path(dataset_dir, participant_id, suffix), subject.image(suffix), affine)
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
