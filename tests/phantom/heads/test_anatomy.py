"""Heads of label maps: the requested volumes, on any grid; refused where no head has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from brain_bundles.phantom.heads import Person, build_atlas, read_label_map, render_head
from brain_bundles.phantom.heads.motion import Motion
from brain_bundles.phantom.heads.people import NAMES
from brain_bundles.phantom.heads.volumes import find_falling

from ..conftest import write_map

GRID = {"spatial_size": (80, 96, 80), "spacing": 2.0}
GROUPS = {
    "ventricular_volume": ("ventricle",),
    "brain_volume": ("grey", "white"),
    "intracranial_volume": ("grey", "white", "ventricle", "csf"),
    "grey_matter_volume": ("grey",),
}


def check(head, person, tolerance=0.02):
    for name, groups in GROUPS.items():
        assert head.volume(*groups) == pytest.approx(getattr(person, name), rel=tolerance), name


@pytest.mark.parametrize(
    ("ventricles", "brain", "inside", "grey"), [(20, 1150, 1350, 620), (60, 1000, 1350, 520), (8, 1250, 1400, 720)]
)
def test_all_four_volumes_are_met(atlas, ventricles, brain, inside, grey):
    person = Person(50.0, "F", ventricles, brain, inside, grey)
    check(render_head(atlas, person, seed=1, mirrored=True, **GRID), person)


def test_the_volumes_hold_at_one_millimetre(atlas):
    person = Person(50.0, "F", 15.0, 700.0, 830.0, 380.0)
    check(render_head(atlas, person, seed=1, mirrored=False, spatial_size=(130, 160, 130), spacing=1.0), person)


def test_fractions_are_within_0_and_1_and_add_up(atlas):
    head = render_head(
        atlas, Person(50.0, "F", 20, 1150, 1350, 620), seed=1, mirrored=False, surroundings_mm=math.inf, **GRID
    )
    total = torch.stack(list(head.fractions.values())).sum(0)
    assert all(float(part.min()) >= -1e-6 for part in head.fractions.values())
    assert float(total.max()) < 1.0 + 1e-4
    assert float(head.intracranial.max()) < 1.0 + 1e-4
    assert float(head.fractions["skull"].sum()) > 1000
    assert float(head.fractions["fat"].sum()) > 1000


def test_the_seed_makes_the_shape_and_sex_nothing(atlas):
    person = Person(50.0, "F", 20, 1150, 1350, 620)
    one, again, man, other = (
        render_head(atlas, who, seed=seed, mirrored=False, **GRID).grey_matter
        for who, seed in ((person, 1), (person, 1), (Person(50.0, "M", 20, 1150, 1350, 620), 1), (person, 2))
    )
    torch.testing.assert_close(one, again, rtol=0, atol=0)
    torch.testing.assert_close(one, man, rtol=0, atol=0)
    assert float((one - other).abs().mean()) > 0.03


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        ((20, 1340, 1350, 700), r"20.0 mL of ventricles and 1340 mL of brain in 1350 mL: .* mL of brain"),
        ((20, 1150, 1350, 1100), r"grey matter is 0.957 of the brain; 0\.\d+ to 0\.\d+ are possible"),
    ],
)
def test_what_no_head_can_have_is_refused_with_what_is_possible(atlas, volumes, message):
    with pytest.raises(ValueError, match=message):
        render_head(atlas, Person(50.0, "F", *volumes), seed=1, mirrored=False, **GRID)


def test_a_mass_leaves_the_volumes_as_they_were_asked_for(atlas):
    person = Person(50.0, "F", 20, 1150, 1350, 620)
    plain = render_head(atlas, person, seed=1, mirrored=False, **GRID)
    head = render_head(atlas, person, seed=1, mirrored=False, with_mass=True, **GRID)
    check(head, person)
    assert plain.mass is None
    assert head.mass is not None
    assert float((head.mass[0] < 0).sum()) > 100


def test_the_map_of_a_turned_head_has_another_frame(atlas):
    """Directions of the template are turned into the map's: the small head lies straight, give or take its shapes."""
    turned = Motion(atlas, seed=0, mirrored=False).matrix
    assert float((turned @ turned.T - torch.eye(3)).abs().max()) < 0.3
    assert float(atlas.frame.trace()) > 2.5


def test_the_search_finds_where_a_falling_function_has_a_value():
    assert find_falling(lambda x: 2.0 - x**3, 1.0, (-2.0, 3.0), 0.0) == pytest.approx(1.0, abs=1e-3)
    assert find_falling(lambda x: 2.0 - x, 9.0, (-2.0, 3.0), 0.0) == pytest.approx(-2.0, abs=1e-3)
    assert set(GROUPS) < set(NAMES)


def test_a_map_that_ends_at_the_brain_has_room_around_it(numbers, tmp_path):
    """SynthSR's maps do: what wraps the brain would reach the face of the array, and CSF go on beyond it."""
    brain = np.where(np.isin(numbers, [24, 507, 511, 515]), 0, numbers)
    where = np.argwhere(brain > 0)
    cut = tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0), strict=True))
    atlas = build_atlas(read_label_map(write_map(tmp_path / "cut.nii.gz", brain[cut])))
    for level in atlas.smooth[:2]:
        faces = [level[0], level[-1], level[:, 0], level[:, -1], level[:, :, 0], level[:, :, -1]]
        assert min(float(face.min()) for face in faces) > 4.0
