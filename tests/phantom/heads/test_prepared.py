"""Prepared label maps: built once, kept in memory or in files."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from brain_bundles.phantom.heads import load_head, load_heads, prepared


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(prepared, "_kept", type(prepared._kept)())
    monkeypatch.setattr(prepared, "_most", 2)


@pytest.fixture
def builds(monkeypatch):
    """Paths of the maps that were read."""
    read, real = [], prepared.read_label_map
    monkeypatch.setattr(prepared, "read_label_map", lambda path: (read.append(str(path)), real(path))[1])
    return read


def test_two_maps_are_kept_and_more_where_all_are_asked_for(anatomies, builds):
    maps = sorted(anatomies.glob("*.nii.gz"))
    for path in (maps[0], maps[0], maps[1], maps[2], maps[0]):
        load_head(path)
    assert builds == [str(maps[i]) for i in (0, 1, 2, 0)]
    load_heads(maps)
    builds.clear()
    for path in maps:
        load_head(path)
    assert builds == []


def test_a_cache_folder_gives_the_same_atlas_without_building_it(anatomies, builds, tmp_path):
    path = anatomies / "training_seg_01.nii.gz"
    built = load_head(path)
    prepared._kept.clear()
    load_heads([path], tmp_path / "cache")
    prepared._kept.clear()
    assert len(builds) == 2
    load_heads([path], tmp_path / "cache")
    assert len(builds) == 2
    for field in dataclasses.fields(built):
        here, there = getattr(built, field.name), getattr(load_head(path), field.name)
        if isinstance(here, torch.Tensor):
            assert torch.equal(here, there)
    assert torch.equal(load_head(path).surroundings.codes, built.surroundings.codes)
