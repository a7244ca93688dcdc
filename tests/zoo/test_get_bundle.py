"""A release is fetched, checked before it is unpacked, and found by its name afterwards."""

from __future__ import annotations

import zipfile

import pytest
import torch
from brain_bundles import cli
from brain_bundles.utils import hash_file
from brain_bundles.zoo import pack
from brain_bundles.zoo.find_bundle import find_bundle

from .conftest import BUNDLES

NAME = "brain_mri_slice2volume_translator"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub" / "bundle"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    (path,) = pack(folder, bundles_dir=BUNDLES, bundles=[NAME], index=folder / "index.json")
    return path


def test_it_is_found_by_its_name_afterwards(release, hub, capsys, caplog):
    words = ["get", release.as_uri(), "--sha256", hash_file(release)]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.split() == [str(hub / NAME)]
    assert find_bundle(NAME) == (hub / NAME).resolve()
    assert [path.name for path in hub.iterdir()] == [NAME]  # nothing of the work stays
    assert cli.main(words) == 1
    assert "is there already; use it by its name" in caplog.text
    (hub / NAME / "models" / "model.pt").unlink()
    assert cli.main([*words, "--replace", "True"]) == 0
    assert (hub / NAME / "models" / "model.pt").is_file()


def test_what_is_not_as_it_should_be_is_not_unpacked(release, hub, tmp_path, caplog):
    assert cli.main(["get", release.as_uri(), "--sha256", "0" * 64]) == 1
    assert cli.main(["get", (tmp_path / "no.zip").as_uri()]) == 1
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(release) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("configs/inference.json"):
                content = content.replace(b'"$import sys"', b'"$import subprocess"')
            new.writestr(name, content)
    caplog.clear()
    assert cli.main(["get", bad.as_uri()]) == 1
    assert "bad.zip was not unpacked" in caplog.text
    assert "subprocess" in caplog.text
    assert list(hub.iterdir()) == []
