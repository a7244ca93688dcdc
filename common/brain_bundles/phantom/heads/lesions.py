"""Lesions of a head, as fractions that replace its tissue: white matter hyperintensities, plaques, strokes and tumours.

Fractions are (D, H, W) in [0, 1]; all of one subject derive from its seed. Lesions count as brain.
"""

from __future__ import annotations

import math

import torch

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.anatomy import HeadAnatomy, grid_points, summed
from brain_bundles.phantom.heads.structures import in_group
from brain_bundles.utils.seeding import generator_for

# Hyperintensities: a rim around the ventricles, thicker at the horns, and deep spots; both grow with age.
SEVERITY_STD = 0.4  # of the logarithm, between people of one age
RIM_AT_60_MM, RIM_GROWTH = 0.7, 0.05  # thickness of the rim, and its growth per year
CAP = 2.6  # times the thickness, at the front and the back ends of the ventricles
CAP_PART = 0.14  # of their length
SPOT_KNOTS_MM = 8.0
SPOT_LEVEL_AT_60, SPOT_LEVEL_PER_YEAR = 3.3, -0.022
MOST_YEARS = 40.0  # growth ends here, 100 years

PLAQUES = (6, 40)
PLAQUE_RADIUS_MM = (1.6, 5.5)
PLAQUE_REACH_MM = 9.0  # they thin out away from the ventricles
ACTIVE_PART = 0.12

# What no lesion replaces: fluid, and what is around the brain.
KEPT = in_group("ventricle", "csf", "head")

STROKE_RADIUS_MM = (10.0, 30.0)
STROKE_LATERAL_MM = 20.0  # from the middle: the territory of the middle cerebral artery
GLIOSIS_MM = (2.0, 5.0)


def _level(level: torch.Tensor, spacing: float) -> torch.Tensor:
    return (0.5 - level / spacing).clamp(0.0, 1.0)


def hyperintensities(head: HeadAnatomy, *, age: float, seed: int) -> torch.Tensor:
    """Hyperintense fraction of the white matter: periventricular caps and rims, and deep spots."""
    generator = generator_for(seed, "hyperintensities")
    shape, white = head.white_matter.shape, head.fractions["white_matter"]
    severity = SEVERITY_STD * float(torch.randn((), generator=generator))
    years = min(age - 60.0, MOST_YEARS)
    thickness = RIM_AT_60_MM * math.exp(RIM_GROWTH * years + severity)
    rough, spots = (
        random_field(shape, channels=1, spacing=head.spacing, knot_spacing=knots, generator=generator)[0]
        for knots in (14.0, SPOT_KNOTS_MM)
    )
    occupied = torch.nonzero(head.lateral_ventricles.sum((0, 2)) > 0.5)
    part = (torch.arange(shape[1]) - occupied.min()) / (occupied.max() - occupied.min()).clamp(min=1)
    cap = 1.0 + (CAP - 1.0) * torch.sigmoid((CAP_PART - torch.minimum(part, 1.0 - part)) / 0.03)[None, :, None]
    rim = head.ventricle_distance - thickness * cap * torch.exp(0.5 * rough)
    near = _level(rim, head.spacing) * (head.ventricle_distance > 0) * (rim < thickness * CAP)
    deep = torch.sigmoid(6.0 * (spots - (SPOT_LEVEL_AT_60 + SPOT_LEVEL_PER_YEAR * years - 0.5 * severity)))
    return white * torch.maximum(near, deep)


def plaques(head: HeadAnatomy, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Plaques of multiple sclerosis, and active ones: ovoids in white matter, many at the ventricles, across them.

    Raises:
        ValueError: if there is no white matter.
    """
    generator = generator_for(seed, "plaques")
    white, spacing = head.fractions["white_matter"], head.spacing
    places = torch.nonzero(white > 0.8)
    if len(places) == 0:
        raise ValueError("no voxel is white matter, so no plaque can be placed.")
    distance = head.ventricle_distance[tuple(places.T)]
    weight = torch.exp(-distance.clamp(min=0.0) / PLAQUE_REACH_MM) + 0.03
    count = int(torch.randint(PLAQUES[0], PLAQUES[1] + 1, (), generator=generator))
    chosen = places[torch.multinomial(weight, min(count, len(places)), generator=generator)]
    rough = random_field(white.shape, channels=1, spacing=spacing, knot_spacing=6.0, generator=generator)[0]
    inert, active = torch.zeros(white.shape), torch.zeros(white.shape)
    for centre in chosen:
        low, high = PLAQUE_RADIUS_MM
        radius = low * (high / low) ** float(torch.rand((), generator=generator))
        # Long axis away from the ventricles (Dawson's fingers): mostly to the side.
        axis = torch.tensor([1.0, 0.25, 0.35]) * torch.randn(3, generator=generator)
        axis = axis / axis.norm()
        reach = math.ceil(2.2 * radius / spacing) + 1
        box = tuple(
            slice(max(0, int(c) - reach), min(size, int(c) + reach + 1))
            for c, size in zip(centre, white.shape, strict=True)
        )
        axes = [torch.arange(part.start, part.stop, dtype=torch.float32) for part in box]
        offset = spacing * (torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) - centre)
        along = offset @ axis
        across = (offset.square().sum(-1) - along**2).clamp(min=0.0)
        ovoid = (across + (along / 1.7) ** 2).sqrt() - radius * (1.0 + 0.3 * rough[box])
        target = active if float(torch.rand((), generator=generator)) < ACTIVE_PART else inert
        target[box] = torch.maximum(target[box], _level(ovoid, spacing))
    active = active * white
    return (inert * white - active).clamp(min=0.0), active


def stroke(head: HeadAnatomy, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An old infarct of one hemisphere: a cavity and its gliotic rim, through cortex and white matter.

    Raises:
        ValueError: if no tissue lies to the side of the middle.
    """
    generator = generator_for(seed, "stroke")
    spacing, shape = head.spacing, head.white_matter.shape
    tissue = head.fractions["cortex"] + head.fractions["white_matter"]
    points = grid_points(shape, spacing)
    lateral = (points[..., 0].abs() > STROKE_LATERAL_MM) & (head.fractions["cortex"] > 0.5)
    places = torch.nonzero(lateral)
    if len(places) == 0:
        raise ValueError("no cortex lies to the side of the middle plane, so no stroke can be placed.")
    centre = points[tuple(places[int(torch.randint(len(places), (), generator=generator))])]
    radius, rim = (
        low + (high - low) * float(torch.rand((), generator=generator)) ** power
        for (low, high), power in ((STROKE_RADIUS_MM, 1.5), (GLIOSIS_MM, 1.0))
    )
    rough = sum(
        std * random_field(shape, channels=1, spacing=spacing, knot_spacing=knots, generator=generator)[0]
        for std, knots in ((0.3, 25.0), (0.18, 10.0))
    )
    border = (points - centre).norm(dim=-1) - radius * (1.0 + rough)
    same_side = head.right == head.right[tuple(((centre / spacing) + (torch.tensor(shape) - 1) / 2).round().long())]
    whole = _level(border, spacing) * same_side
    core = _level(border + rim * (1.0 + rough), spacing) * same_side
    return core * tissue, (whole - core).clamp(min=0.0) * tissue


def tumour(head: HeadAnatomy) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Necrotic core, enhancing rim and oedema of the mass of a head; oedema spreads in white matter only.

    Raises:
        ValueError: if the head has no mass.
    """
    if head.mass is None:
        raise ValueError("the head has no mass; render it with with_mass=True.")
    tissue = head.grey_matter + head.white_matter
    border, core, oedema = (_level(level, head.spacing) for level in head.mass)
    core = torch.minimum(core, border)  # the irregular surfaces may cross, and a voxel has one tissue's volume
    return core * tissue, (border - core) * tissue, (oedema - border).clamp(min=0.0) * head.white_matter


def replace_tissue(fractions: dict[str, torch.Tensor], lesions: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Fractions with ``lesions`` in the place of the tissue that was there: every sum stays as it was.

    Args:
        fractions: (D, H, W) per structure; they are changed in place.
        lesions: (D, H, W) fraction per kind of lesion, together at most that of the tissue.
    """
    taken = summed(lesions.values()).flatten()
    here = taken.nonzero()[:, 0]
    tissue = [fraction.view(-1) for name, fraction in fractions.items() if name not in KEPT]
    total = summed(fraction[here] for fraction in tissue).clamp_(min=1e-6)
    left = (1.0 - taken[here] / total).clamp_(0.0, 1.0)
    for fraction in tissue:
        fraction[here] *= left
    return fractions | lesions
