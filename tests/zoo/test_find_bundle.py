"""Bundles by name, folder and zip."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from brain_bundles.zoo import pack
from brain_bundles.zoo.find_bundle import find_bundle

NAME = "brain_mri_generator"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_names_are_looked_for_where_bundles_are(small_bundles, tmp_path, monkeypatch, hub):
    monkeypatch.chdir(tmp_path)
    assert find_bundle(NAME) == small_bundles / NAME  # bundles/ below the current folder
    monkeypatch.chdir(small_bundles)
    assert find_bundle(NAME) == small_bundles / NAME
    assert find_bundle(str(small_bundles / NAME)) == small_bundles / NAME
    (hub / "bundle").mkdir(parents=True)
    (small_bundles / NAME).rename(hub / "bundle" / NAME)  # where monai.bundle.download puts it
    assert find_bundle(NAME) == (hub / "bundle" / NAME).resolve()


def test_a_checkout_has_its_bundles_from_any_folder(tmp_path, monkeypatch):
    found = Path(__file__).parents[2] / "bundles" / NAME
    monkeypatch.chdir(tmp_path)
    assert find_bundle(NAME) == found
    monkeypatch.chdir(found)  # where a package has the bundle's name
    assert find_bundle(NAME) == found


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no bundle .nope.; looked at nope, bundles.nope, .*brain-bundles get NAME"
    ):
        find_bundle("nope")
    with pytest.raises(ValueError, match=r"is no bundle: it has no configs/inference.json"):
        find_bundle(tmp_path)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match="is no zip"):
        find_bundle(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a/b.txt", "no bundle")
    with pytest.raises(ValueError, match="holds 0 bundles"):
        find_bundle(tmp_path / "other.zip")


def test_a_zip_is_unpacked_once_and_compared_with_its_manifest(small_bundles, tmp_path, hub):
    (path,) = pack(tmp_path, bundles_dir=small_bundles, bundles=[NAME], index=tmp_path / "index.json")
    root = find_bundle(path)
    assert root.name == NAME
    assert root.is_relative_to(hub)
    (root / "docs" / "README.md").write_text("mine")
    assert find_bundle(path) == root
    assert (root / "docs" / "README.md").read_text() == "mine"  # not unpacked again
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"other weights" if name.endswith("models/model.pt") else old.read(name))
    with pytest.raises(ValueError, match=r"changed.zip is damaged or was changed: models/model.pt has changed"):
        find_bundle(changed)
    assert sorted((hub / "bundle" / "unpacked").iterdir()) == [root.parent]  # nothing of it stays
