"""A release is fetched, checked before it is unpacked, and found by its name afterwards."""

from __future__ import annotations

import json
import sys
import zipfile

import pytest
import torch
from brain_bundles import __version__, cli
from brain_bundles.utils import hash_file
from brain_bundles.zoo import Release, find_release, pack
from brain_bundles.zoo.find_bundle import find_bundle

from .conftest import BUNDLES

OTHER = "brain_mri_generator"
NAME = "brain_mri_slice2volume_translator"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    # As with a wheel: this checkout would have the bundle.
    monkeypatch.setattr(sys.modules[find_bundle.__module__], "_CHECKOUT", tmp_path / "no checkout")
    return tmp_path / "hub" / "bundle"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    (path,) = pack(folder, bundles_dir=BUNDLES, bundles=[NAME], index=folder / "model_info.json")
    return path


@pytest.mark.parametrize("address", ["folder", "folder/", "index"])
def test_a_name_is_looked_up_in_the_release(release, hub, capsys, caplog, address):
    folder = release.parent.as_uri()
    where = {"folder": folder, "folder/": f"{folder}/", "index": f"{folder}/model_info.json"}[address]
    assert cli.main(["get", NAME]) == 1
    assert f"there is no bundle '{NAME}'; say where from: --release ADDRESS" in caplog.text
    assert cli.main(["get", NAME, "--release", where]) == 0
    assert capsys.readouterr().out.split() == [str(hub / NAME)]
    release_moved = release.with_suffix(".away")
    release.rename(release_moved)  # what is there is not fetched again
    try:
        assert cli.main(["get", NAME, "--release", where]) == 0
        assert cli.main(["get", NAME]) == 0
    finally:
        release_moved.rename(release)
    assert capsys.readouterr().out.split() == [str(hub / NAME)] * 2


def test_another_version_is_not_replaced_unasked(release, hub, caplog, capsys):
    words = ["get", NAME, "--release", release.parent.as_uri()]
    assert cli.main(words) == 0
    metadata = hub / NAME / "configs" / "metadata.json"
    metadata.write_text(metadata.read_text().replace(f'"version": "{__version__}"', '"version": "0.0.9"'))
    assert cli.main(words) == 1
    assert f"is version 0.0.9, this package is {__version__}; replace it with --replace" in caplog.text
    assert cli.main([*words, "--replace"]) == 0
    assert f'"version": "{__version__}"' in metadata.read_text()


def test_the_index_gives_the_hash(release, hub, tmp_path, caplog):
    entry = {"source": release.as_uri(), "sha256": "0" * 64}
    (tmp_path / "model_info.json").write_text(json.dumps({f"{NAME}_v{__version__}": entry}))
    assert cli.main(["get", NAME, "--release", tmp_path.as_uri()]) == 1
    assert "hash check of downloaded file failed" in caplog.text
    assert list(hub.iterdir()) == []


def test_a_bundle_is_of_the_version_of_the_package(tmp_path):
    names = {f"{NAME}_v0.1.0": "old.zip", f"{NAME}_v0.2.0": "sub/new.zip", f"{OTHER}_v0.9.0": "other.zip"}
    (tmp_path / "model_info.json").write_text(json.dumps({key: {"source": name} for key, name in names.items()}))
    assert find_release(NAME, tmp_path.as_uri(), "0.1.0") == Release((tmp_path / "old.zip").as_uri(), None)
    assert find_release(NAME, tmp_path.as_uri(), "0.2.0") == Release((tmp_path / "sub" / "new.zip").as_uri(), None)
    with pytest.raises(ValueError, match=rf"lists no {NAME}_v0\.3\.0, but .*{NAME}_v0\.2\.0\. .* this one is 0\.3\.0"):
        find_release(NAME, tmp_path.as_uri(), "0.3.0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "model_info.json could not be fetched"),
        ("<html>", "model_info.json is not the index of a release: Expecting value"),
        ("[1]", "is not the index of a release"),
        ("{}", f"lists no {NAME}_v{__version__}, but none"),
        (f'{{"{OTHER}_v0.1.0": {{}}}}', f"lists no {NAME}_v{__version__}, but {OTHER}_v0.1.0"),
        (f'{{"{NAME}_v{__version__}": {{}}}}', "is not the index of a release: 'source'"),
    ],
)
def test_a_bad_index_says_what_is_wrong(tmp_path, caplog, content, message):
    if content is not None:
        (tmp_path / "model_info.json").write_text(content)
    assert cli.main(["get", NAME, "--release", tmp_path.as_uri()]) == 1
    assert message in caplog.text


@pytest.mark.parametrize("content", [b"<html>a page</html>", b""])
def test_a_page_in_the_place_of_a_zip_is_named(tmp_path, hub, caplog, content):
    (tmp_path / "page").write_bytes(content)
    assert cli.main(["get", (tmp_path / "page").as_uri()]) == 1
    assert "page is no zip of a bundle, or it was cut off; give the address of a .zip" in caplog.text
    assert list(hub.iterdir()) == []


def test_nothing_of_monai_is_said(release, recwarn, caplog):
    """It warns of a hash that nobody has, and logs the name of a file that is gone to the standard output."""
    with caplog.at_level("INFO"):
        assert cli.main(["get", release.as_uri()]) == 0
    assert [record.name for record in caplog.records if record.name.startswith("monai")] == []
    assert [str(one.message) for one in recwarn if "hash" in str(one.message)] == []


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
