"""The flow that gives each subject gyri of its own."""

from __future__ import annotations

import torch
from brain_bundles.phantom.heads.anatomy import grid_points
from brain_bundles.phantom.heads.mass import draw_mass
from brain_bundles.phantom.heads.motion import Motion, incompressible_flow
from brain_bundles.phantom.heads.sampling import lookup, sample
from brain_bundles.utils.seeding import generator_for


def jacobian(shift: torch.Tensor, spacing: float) -> torch.Tensor:
    rows = [torch.stack(torch.gradient(part, spacing=spacing), -1) for part in shift]
    return torch.linalg.det(torch.stack(rows, -2) + torch.eye(3))


def test_the_flow_neither_folds_nor_swells():
    shape = (40, 44, 40)
    shift = incompressible_flow(shape, spacing=4.0, weight=torch.ones(shape), generator=generator_for(3, "flow"))
    change = jacobian(shift, 4.0)[4:-4, 4:-4, 4:-4]
    assert float(change.min()) > 0  # no fold
    assert abs(float(change.mean()) - 1) < 0.02
    assert float(change.std()) < 0.25  # second order in the gradient: finite steps and a linear grid
    assert float(shift.norm(dim=0).mean()) > 4.0  # mm: more than half of a gyrus


def test_the_flow_slides_along_the_skull(atlas):
    motion = Motion(atlas, seed=5, mirrored=False)
    skull = torch.nn.functional.interpolate(atlas.smooth[None, :1], size=motion.shift.shape[1:], mode="trilinear")[0, 0]
    size = motion.shift.norm(dim=0)
    assert float(size[skull > 2].mean()) < 0.6 * float(size[(skull < -5) & (skull > -14)].mean())


def test_a_mirrored_subject_has_its_right_where_the_map_has_its_left(atlas):
    points = grid_points((48, 58, 50), 2.0)
    plain, mirrored = (Motion(atlas, seed=2, mirrored=flag).shaped(points) for flag in (False, True))
    deep = sample(atlas.smooth[:1], plain, step=2)[0] < -8
    sides = [lookup(atlas.right, where)[deep].float() for where in (plain, mirrored)]
    assert float((sides[0] != sides[1]).float().mean()) > 0.85


def test_a_mass_pushes_and_what_was_there_is_looked_up_nearer_to_its_centre(atlas):
    mass = draw_mass(atlas, seed=1)
    direction = torch.tensor([1.0, 0.0, 0.0])
    far = torch.full((1,), -100.0)  # the skull is far away
    for distance in (mass.radius + 1.0, 2 * mass.radius):
        before = mass.displaced((mass.centre + distance * direction)[None], far)[0]
        moved = distance - float((before - mass.centre) @ direction)
        exact = distance - (distance**3 - mass.pushed * mass.radius**3) ** (1 / 3)  # the volume is kept
        assert abs(moved - exact) < 1e-3
    at_the_skull = mass.displaced((mass.centre + 30 * direction)[None], torch.zeros(1))[0]
    torch.testing.assert_close(at_the_skull, mass.centre + 30 * direction)
