"""One subject of the head population: its structures with lesions and vessels, and its labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.anatomy import HeadAnatomy, render_head, summed
from brain_bundles.phantom.heads.lesions import hyperintensities, plaques, replace_tissue, stroke, tumour
from brain_bundles.phantom.heads.people import Person
from brain_bundles.phantom.heads.prepared import load_head
from brain_bundles.phantom.heads.structures import STRUCTURES, freesurfer_number, in_group
from brain_bundles.phantom.vessels import vessels
from brain_bundles.utils.seeding import generator_for

TEXTURE_STD = 0.05  # of log T1, T2 and T2* within a structure; cortex and bundles differ from place to place
TEXTURE_KNOTS_MM = (24.0, 7.0)
FINEST_RENDERING_MM = 2.0  # coarser grids are averages of one at most this coarse: levels are linear over one voxel
# Labels of the segmentation of tissues; the first ten are those of the template population.
LABELS: Mapping[int, tuple[str, ...]] = {
    1: in_group("csf"),
    2: in_group("grey"),
    3: in_group("white"),
    4: in_group("ventricle"),
    5: ("hyperintensity",),
    6: ("oedema",),
    7: ("tumour_core",),
    8: ("enhancing_tumour",),
    9: ("artery",),
    10: ("vein",),
    11: ("plaque",),
    12: ("active_plaque",),
    13: ("stroke_core",),
    14: ("stroke_gliosis",),
}
LABEL_NAMES: Mapping[int, str] = {
    1: "csf",
    2: "grey_matter",
    3: "white_matter",
    4: "lateral_ventricles",
    **{index: names[0] for index, names in LABELS.items() if index > 4},
}
# FreeSurfer's numbers for what it has no structure of: hyperintensities, other lesions, vessels.
FREESURFER_EXTRA: Mapping[str, tuple[int, int]] = {
    "hyperintensity": (77, 77),
    "artery": (30, 62),
    "vein": (30, 62),
    **{names[0]: (25, 57) for index, names in LABELS.items() if index in (6, 7, 8, 11, 12, 13, 14)},
}


@dataclass(frozen=True)
class HeadOptions:
    """What a subject of the head population is made with, beside its person and seed.

    Attributes:
        anatomy: path of the label map.
        mirrored: True for its mirror image.
        whole_head: True for images with skull and scalp.
        shell_mm: how far around the brain skull and scalp are rendered without showing them: what a brain mask that is
            too wide shows. Maps of a brain alone have none.
        turn: rotation of the head about its axes, degrees.
        exact: False for volumes that may be off by some per cent, see :func:`render_head`.
        tumour_probability, stroke_probability, sclerosis_probability: chance of each disease.
        vessels: True for arteries and veins.
    """

    anatomy: Path = Path()
    mirrored: bool = False
    whole_head: bool = False
    shell_mm: float = 0.0
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    exact: bool = True
    tumour_probability: float = 0.0
    stroke_probability: float = 0.0
    sclerosis_probability: float = 0.0
    vessels: bool = False


@dataclass(frozen=True)
class HeadSubject:
    """Everything that the images of one subject show; :mod:`brain_bundles.phantom.scanner` makes them.

    Attributes:
        fractions: (D, H, W) fraction per structure, lesion and vessel.
        intracranial: (D, H, W) fraction inside of the skull, lesions and vessels included.
        right: (D, H, W) uint8, 1 on the right side.
        volumes: mL of ventricles, brain, intracranial space and grey matter, as rendered. Lesions are parts of the
            tissue that they replaced, vessels parts of where they lie.
        whole_head: True if images show what is around the brain.
    """

    fractions: Mapping[str, torch.Tensor]
    intracranial: torch.Tensor
    right: torch.Tensor
    volumes: Mapping[str, float]
    age: float
    seed: int
    spacing: float
    whole_head: bool = False

    @cached_property
    def texture(self) -> torch.Tensor:
        """Relative change of the tissue times in each voxel, (D, H, W); the same in all scans of the person."""
        generator = generator_for(self.seed, "texture")
        fields = [
            random_field(
                self.intracranial.shape, channels=1, spacing=self.spacing, knot_spacing=knots, generator=generator
            )[0]
            for knots in TEXTURE_KNOTS_MM
        ]
        return TEXTURE_STD * torch.stack(fields).sum(0) / len(fields) ** 0.5

    @cached_property
    def tissue(self) -> torch.Tensor:
        """Fraction of grey matter, white matter and lateral ventricles, (D, H, W)."""
        return summed(self.fractions[name] for name in in_group("grey", "white", "ventricle") if name in self.fractions)

    @property
    def brain_mask(self) -> torch.Tensor:
        """The intracranial space, (D, H, W) bool."""
        return self.intracranial > 0.5

    def tissue_labels(self) -> np.ndarray:
        """``LABELS`` of the tissue with the largest fraction, uint8 (D, H, W); 0 outside of the brain mask."""
        present = {i: [n for n in names if n in self.fractions] for i, names in LABELS.items()}
        stack = {i: summed(self.fractions[n] for n in names) for i, names in present.items() if names}
        return (largest(stack.values(), list(stack))[0] * self.brain_mask).numpy()

    def freesurfer_labels(self) -> np.ndarray:
        """FreeSurfer's number of the structure with the largest fraction, uint8 (D, H, W); 0 outside of the brain."""
        around = in_group("head")
        names = [name for name in self.fractions if name not in around]
        both = [
            FREESURFER_EXTRA.get(name) or (freesurfer_number(name, right=False), freesurfer_number(name, right=True))
            for name in names
        ]
        left, right = largest((self.fractions[n] for n in names), [n[0] for n in both], [n[1] for n in both])
        return (torch.where(self.right > 0, right, left) * self.brain_mask).numpy()


def largest(parts: Iterable[torch.Tensor], *numbers: Sequence[int]) -> list[torch.Tensor]:
    """For each list of numbers, a uint8 volume with the number of the largest part."""
    most: torch.Tensor | None = None
    for position, part in enumerate(parts):
        if most is None:
            most, labels = part.clone(), [torch.full(part.shape, given[0], dtype=torch.uint8) for given in numbers]
            continue
        larger = part > most
        most = torch.maximum(most, part)
        for label, given in zip(labels, numbers, strict=True):
            label[larger] = given[position]
    return labels


def freesurfer_names() -> dict[int, str]:
    """Names of all numbers that :meth:`HeadSubject.freesurfer_labels` writes."""
    around = in_group("head")
    both = {name: (freesurfer_number(name, right=False), freesurfer_number(name, right=True)) for name in STRUCTURES}
    names: dict[int, str] = {77: "hyperintensity", 25: "left_lesion", 57: "right_lesion"}
    names |= {30: "left_vessel", 62: "right_vessel"}
    for name, (left, right) in both.items():
        if name not in around:
            names |= {left: name} if left == right else {left: f"left_{name}", right: f"right_{name}"}
    return dict(sorted(names.items()))


def render_subject(
    person: Person, *, seed: int, spatial_size: tuple[int, int, int], spacing: float, options: HeadOptions
) -> HeadSubject:
    """Render one subject of the head population.

    Raises:
        ValueError: if the volumes cannot be reached with this anatomy, or do not fit into the grid.
    """

    def chance(name: str) -> float:
        return float(torch.rand((), generator=generator_for(seed, f"has {name}")))

    factor = max(1, int(np.ceil(spacing / FINEST_RENDERING_MM - 1e-6)))
    with_tumour = chance("tumour") < options.tumour_probability
    atlas = load_head(options.anatomy)
    shell = options.shell_mm if atlas.surroundings is not None else 0.0
    head = render_head(
        atlas,
        person,
        seed=seed,
        mirrored=options.mirrored,
        spatial_size=[factor * size for size in spatial_size],
        spacing=spacing / factor,
        with_mass=with_tumour,
        surroundings_mm=math.inf if options.whole_head else shell,
        turn=torch.tensor(options.turn) if any(options.turn) else None,
        exact=options.exact,
    )
    volumes = _check_volumes(head, person, spatial_size, spacing)
    # Before the lesions, which take their place out of the tissue.
    inside, right = head.intracranial, head.right.float()
    blood = vessels(head, seed=seed) if options.vessels else None
    fractions = replace_tissue(
        dict(head.fractions), {"hyperintensity": hyperintensities(head, age=person.age, seed=seed)}
    )
    if chance("multiple sclerosis") < options.sclerosis_probability:
        fractions = replace_tissue(
            fractions, dict(zip(("plaque", "active_plaque"), plaques(head, seed=seed), strict=True))
        )
    if chance("stroke") < options.stroke_probability:
        fractions = replace_tissue(
            fractions, dict(zip(("stroke_core", "stroke_gliosis"), stroke(head, seed=seed), strict=True))
        )
    if with_tumour:
        names = ("tumour_core", "enhancing_tumour", "oedema")
        fractions = replace_tissue(fractions, dict(zip(names, tumour(head), strict=True)))
    if blood is not None:
        left = (1.0 - blood.artery - blood.vein).clamp(0.0, 1.0)
        fractions = {name: fraction * left for name, fraction in fractions.items()}
        fractions |= {"artery": blood.artery, "vein": blood.vein}
    if factor > 1:
        fractions = {name: _pooled(fraction, factor) for name, fraction in fractions.items()}
        inside, right = _pooled(inside, factor), _pooled(right, factor)
    return HeadSubject(
        fractions=fractions,
        intracranial=inside,
        right=(right > 0.5).to(torch.uint8),
        volumes=volumes,
        age=person.age,
        seed=seed,
        spacing=spacing,
        whole_head=options.whole_head,
    )


def _check_volumes(
    head: HeadAnatomy, person: Person, spatial_size: tuple[int, int, int], spacing: float
) -> dict[str, float]:
    """Volumes as rendered, mL; refuse a grid that cuts the head."""
    volumes = {
        "ventricular_volume": head.volume("ventricle"),
        "brain_volume": head.volume("grey", "white"),
        "intracranial_volume": head.volume("grey", "white", "ventricle", "csf"),
        "grey_matter_volume": head.volume("grey"),
    }
    if volumes["intracranial_volume"] < 0.98 * person.intracranial_volume:
        raise ValueError(
            f"a head with {person.intracranial_volume:.0f} mL inside of the skull does not fit into a grid of "
            f"{tuple(spatial_size)} voxels of {spacing} mm ({volumes['intracranial_volume']:.0f} mL do); use a larger "
            "grid or a smaller head."
        )
    return volumes


def _pooled(volume: torch.Tensor, factor: int) -> torch.Tensor:
    return torch.nn.functional.avg_pool3d(volume[None, None], factor)[0, 0]
