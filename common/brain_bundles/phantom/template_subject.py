"""One subject of the template's population: its tissues, labels and images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from brain_bundles.data.bids import image_path, segmentation_path
from brain_bundles.data.covariates import Covariates
from brain_bundles.data.grid import grid_affine
from brain_bundles.data.nifti import write_labels, write_nifti
from brain_bundles.phantom.acquisition import acquire
from brain_bundles.phantom.anatomy import render_anatomy
from brain_bundles.phantom.head_dataset import brain_mask_path
from brain_bundles.phantom.lesions import tumour, white_matter_hyperintensities
from brain_bundles.phantom.shells import shells
from brain_bundles.phantom.spec import PhantomSpec
from brain_bundles.phantom.vessels import vessels
from brain_bundles.utils.seeding import derive_seed

SEGMENTATION = "phantom"
# A voxel gets the label of its largest fraction.
LABELS: Mapping[int, str] = {
    1: "csf",
    2: "grey_matter",
    3: "white_matter",
    4: "lateral_ventricles",
    5: "hyperintensity",
    6: "oedema",
    7: "tumour_core",
    8: "enhancing_tumour",
    9: "artery",
    10: "vein",
}
LICENSE = (
    "CC0. Made from the MNI152 2009a template, (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, McGill"
)


def render_fractions(
    covariates: Covariates, *, seed: int, spec: PhantomSpec
) -> tuple[dict[str, torch.Tensor], float, float]:
    """All tissue fractions of one subject, and its ventricular and brain volume (mL) as rendered.

    Returns:
        (D, H, W) fractions by the names of ``LABELS``, and the two volumes. Lesions replace brain tissue, so they
        count as brain; blood does not.
    """
    anatomy = render_anatomy(covariates, seed=seed, spatial_size=spec.spatial_size, spacing=spec.spacing)
    fractions = {
        "csf": anatomy.csf,
        "grey_matter": anatomy.grey_matter,
        "white_matter": anatomy.white_matter,
        "lateral_ventricles": anatomy.lateral_ventricles,
    }
    hyperintensity = white_matter_hyperintensities(anatomy, age=covariates.age, seed=seed)
    fractions["white_matter"] = anatomy.white_matter - hyperintensity
    fractions["hyperintensity"] = hyperintensity
    if (
        torch.rand((), generator=torch.Generator().manual_seed(derive_seed(seed, "has tumour")))
        < spec.tumour_probability
    ):
        mass = tumour(anatomy, seed=seed)
        tissue = anatomy.grey_matter + anatomy.white_matter
        left = 1.0 - (mass.core + mass.enhancing + mass.oedema) / tissue.clamp(min=1e-6)
        for name in ("grey_matter", "white_matter", "hyperintensity"):
            fractions[name] = fractions[name] * left.clamp(0.0, 1.0)
        fractions |= {"tumour_core": mass.core, "enhancing_tumour": mass.enhancing, "oedema": mass.oedema}
    if spec.vessels:
        blood = vessels(anatomy, seed=seed)
        left = 1.0 - blood.artery - blood.vein
        fractions = {name: fraction * left.clamp(0.0, 1.0) for name, fraction in fractions.items()}
        fractions |= {"artery": blood.artery, "vein": blood.vein}
    millilitres = spec.spacing**3 / 1000.0
    outside_brain = {"csf", "lateral_ventricles", "artery", "vein"}
    brain = sum(float(f.double().sum()) for name, f in fractions.items() if name not in outside_brain)
    return fractions, float(fractions["lateral_ventricles"].double().sum()) * millilitres, brain * millilitres


def segmentation(fractions: Mapping[str, torch.Tensor]) -> np.ndarray:
    """Labels of ``LABELS``, uint8 (D, H, W): the tissue with the largest fraction, 0 where less than half is head."""
    names = [name for name in LABELS.values() if name in fractions]
    indices = {name: index for index, name in LABELS.items()}
    stack = torch.stack([fractions[name] for name in names])
    lookup = torch.tensor([indices[name] for name in names], dtype=torch.uint8)
    return (lookup[stack.argmax(0)] * (stack.sum(0) > 0.5)).numpy()


def write_template_subject(
    dataset_dir: Path, participant_id: str, covariates: Covariates, seed: int, spec: PhantomSpec
) -> dict[str, object]:
    """Write all images of one subject and return its row of participants.tsv."""
    fractions, ventricular_volume, brain_volume = render_fractions(covariates, seed=seed, spec=spec)
    affine = grid_affine(spec.spacing, spec.spatial_size)
    visible = {name: fraction for name, fraction in fractions.items() if name != "lateral_ventricles"}
    visible["csf"] = fractions["csf"] + fractions["lateral_ventricles"]
    if spec.whole_head:
        inside = torch.stack(list(fractions.values())).sum(0)
        visible |= shells(inside, spec.spacing)
        mask = (inside > 0.5).numpy().astype(np.uint8)
        write_labels(brain_mask_path(dataset_dir, participant_id), mask, affine)
    for suffix in spec.suffixes:
        image = acquire(visible, suffix=suffix, seed=seed, spacing=spec.spacing)
        write_nifti(
            image_path(dataset_dir, participant_id, suffix), image.numpy(), affine, description=f"phantom {suffix}"
        )
    path = segmentation_path(dataset_dir, participant_id, SEGMENTATION)
    write_labels(path, segmentation(fractions), affine, description="phantom labels")
    return {
        "participant_id": participant_id,
        "age": round(covariates.age, 1),
        "sex": covariates.sex,
        "ventricular_volume": round(ventricular_volume, 2),
        "brain_volume": round(brain_volume, 1),
    }
