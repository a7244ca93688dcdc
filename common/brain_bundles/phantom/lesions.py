"""White matter hyperintensities and tumours, as fractions that replace tissue.

Fractions are in [0, 1] per voxel; all of one subject derive from its seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from brain_bundles.phantom.anatomy import Anatomy
from brain_bundles.phantom.deformation import random_field
from brain_bundles.utils.seeding import generator_for

# A voxel of white matter is hyperintense where a random field exceeds a level that falls with age and towards the
# ventricles.
HYPERINTENSITY_KNOTS_MM = 9.0
LEVEL_AT_40 = 4.1
LEVEL_PER_YEAR = -0.028
LEVEL_STD = 0.35  # between people of one age
PERIVENTRICULAR_PULL = 2.2  # at the wall of the ventricle, in standard deviations of the field
PERIVENTRICULAR_REACH_MM = 6.0
EDGE_SHARPNESS = 5.0

TUMOUR_RADIUS_MM = (8.0, 18.0)
TUMOUR_KNOTS_MM = 14.0
TUMOUR_ROUGHNESS = 0.18  # relative variation of the radius
ENHANCING_RIM_MM = 3.0
OEDEMA_REACH_MM = (4.0, 14.0)


@dataclass(frozen=True)
class Tumour:
    """Fractions (D, H, W) of tumour core, enhancing rim and oedema; together at most 1, none in CSF."""

    core: torch.Tensor
    enhancing: torch.Tensor
    oedema: torch.Tensor


def white_matter_hyperintensities(anatomy: Anatomy, *, age: float, seed: int) -> torch.Tensor:
    """Fraction of hyperintense white matter per voxel, (D, H, W). It grows with ``age`` (years)."""
    generator = generator_for(seed, "hyperintensities")
    shape = anatomy.white_matter.shape
    field = random_field(
        shape, channels=1, spacing=anatomy.spacing, knot_spacing=HYPERINTENSITY_KNOTS_MM, generator=generator
    )[0]
    level = LEVEL_AT_40 + LEVEL_PER_YEAR * (age - 40.0) + LEVEL_STD * float(torch.randn((), generator=generator))
    pull = PERIVENTRICULAR_PULL * torch.exp(-anatomy.ventricle_distance.clamp(min=0.0) / PERIVENTRICULAR_REACH_MM)
    return anatomy.white_matter * torch.sigmoid(EDGE_SHARPNESS * (field + pull - level))


def tumour(anatomy: Anatomy, *, seed: int) -> Tumour:
    """A glioma-like mass in the white matter: necrotic core, enhancing rim, oedema that spreads in white matter only.

    Raises:
        ValueError: if no pure white matter is at least 8 mm from the ventricles.
    """
    generator = generator_for(seed, "tumour")
    tissue = anatomy.grey_matter + anatomy.white_matter
    seeds = torch.nonzero((anatomy.white_matter > 0.9) & (anatomy.ventricle_distance > 8.0))
    if len(seeds) == 0:
        raise ValueError("no voxel is pure white matter at least 8 mm from the ventricles, so no tumour can be placed.")
    centre = seeds[int(torch.randint(len(seeds), (), generator=generator))]
    axes = [torch.arange(size, dtype=torch.float32) for size in tissue.shape]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) - centre
    distance = anatomy.spacing * offsets.norm(dim=-1)
    radius, reach = (
        low + (high - low) * float(torch.rand((), generator=generator))
        for low, high in (TUMOUR_RADIUS_MM, OEDEMA_REACH_MM)
    )
    rough, spread = random_field(
        tissue.shape, channels=2, spacing=anatomy.spacing, knot_spacing=TUMOUR_KNOTS_MM, generator=generator
    )
    surface = distance - radius * (1.0 + TUMOUR_ROUGHNESS * rough)

    def inside(depth: torch.Tensor) -> torch.Tensor:
        return (0.5 - depth / anatomy.spacing).clamp(0.0, 1.0)  # linear over one voxel: its partial volume

    mass = inside(surface)
    core = inside(surface + ENHANCING_RIM_MM)
    oedema = inside(surface - reach * (1.0 + 0.5 * spread)) * (1.0 - mass)
    return Tumour(core * tissue, (mass - core) * tissue, oedema * anatomy.white_matter)
