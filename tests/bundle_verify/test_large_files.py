"""Checks of large_files.yml: every attack is found, and MONAI writes nothing outside of a bundle that passes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from bundle_verify.large_files import check_large_files
from bundle_verify.source import open_bundle
from bundle_verify.verify import verify
from monai.bundle import download_large_files

CONTENT = b"a picture"
GOOD = {
    "path": "docs/brain.png",
    "url": "https://example.org/brain.png",
    "hash_val": hashlib.sha256(CONTENT).hexdigest(),
    "hash_type": "sha256",
}


@pytest.fixture
def bundle(tmp_path) -> Path:
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    return tmp_path / "bundle"


def write(bundle: Path, *entries: object, name: str = "large_files.yml", **more: object) -> None:
    (bundle / name).write_text(json.dumps({"large_files": list(entries), **more}))  # JSON is YAML


def found(bundle: Path, configs: dict | None = None) -> list[str]:
    with open_bundle(bundle) as source:
        return [str(finding) for finding in check_large_files(source, configs or {})]


def without(key: str) -> dict[str, str]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize("entry", [GOOD, without("hash_type"), GOOD | {"hash_type": ""}])
def test_a_picture_with_its_hash_passes(bundle, entry):
    write(bundle, entry)
    assert found(bundle) == []


def test_a_file_that_was_downloaded_passes_if_it_is_the_right_one(bundle):
    entry = GOOD | {"path": "models/model.pt"}
    write(bundle, entry)
    (bundle / "models").mkdir()
    (bundle / "models" / "model.pt").write_bytes(CONTENT)
    assert found(bundle, {"configs/train.json": {"path": "models/model.pt"}}) == []
    (bundle / "models" / "model.pt").write_bytes(b"another")
    assert "has another hash" in found(bundle)[0]
    write(bundle, entry | {"hash_type": "sha512", "hash_val": hashlib.sha512(b"another").hexdigest()})
    assert found(bundle) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            ({"path": path}, "outside of the bundle")
            for path in ("../x.png", "/etc/x.png", "docs/../../x.png", "C:/x.png", "..")
        ),
        *(
            ({"path": path}, "not a plain relative path")
            for path in ("~/x.png", "a\\..\\x.png", "./x.png", "a//x.png", "a/", "$x.png", "a\nb.png", "ab:c.png")
        ),
        *(({"path": path}, "hidden file") for path in (".git/hooks/x.png", "docs/.x.png", "docs./x.png", "x.png ")),
        *(({"path": path}, "not a name") for path in ("", None, 7, ["a.png"])),
        *(
            ({"url": url}, "not an address of https")
            for url in (
                "http://example.org/x",
                "ftp://example.org/x",
                "file:///etc/passwd",
                "https:///x",
                "HTTPS:x",
                "",
            )
        ),
        *(
            ({"url": url}, "not an address")
            for url in (None, 7, "https://exa mple.org", "https://[::1/x", "https://a\n")
        ),
        ({"url": "https://me:secret@example.org/x"}, "a user or a password"),
        *(({"hash_val": value}, "has no hash_val") for value in ("", None)),
        *(({"hash_val": value}, "is not a sha256") for value in (7, "7" * 63, "g" * 64, "A" * 64)),
        *(({"hash_type": kind}, "expected sha256 or sha512") for kind in ("md5", "sha1", "none")),
        ({"hash_type": "sha512"}, "is not a sha512"),
        ({"fuzzy": True}, "hands to the download: fuzzy"),
        ({"filepath": "/etc/x"}, "hands to the download: filepath"),
        *(
            ({"path": path}, "is not here, so it cannot be checked")
            for path in (
                "models/model.pt",
                "brain_bundles/x.py",
                "configs/train.json",
                "configs/logging.conf",
                "x.npy",
                "x",
            )
        ),
    ],
)
def test_an_attack_is_found(bundle, change, message):
    write(bundle, {**GOOD, **change})
    assert any(message in line and line.startswith("large_files.yml, large_files::0") for line in found(bundle))


@pytest.mark.parametrize("key", ["path", "url", "hash_val"])
def test_a_missing_key_is_found(bundle, key):
    write(bundle, without(key))
    assert found(bundle)


def test_a_name_that_a_config_loads_is_found(bundle):
    write(bundle, GOOD)
    (line,) = found(bundle, {"configs/train.json": {"image": "$@bundle_root + '/docs/brain.png'"}})
    assert "docs/brain.png, which configs/train.json loads, is not here" in line


def test_names_that_differ_in_case_are_found(bundle):
    write(bundle, GOOD | {"path": "LICENSE.txt"}, GOOD, GOOD | {"path": "docs/Brain.png"})
    (bundle / "license.txt").write_text("ours")
    lines = found(bundle)
    assert "only in upper and lower case" in lines[0]
    assert "docs/Brain.png is in the list twice" in lines[1]


@pytest.mark.parametrize("content", ["- a", "large_files: {a: 1}", "{}", "large_files: [7]", "large_files: [", "a: 1"])
def test_a_list_of_another_form_is_found(bundle, content):
    (bundle / "large_files.yaml").write_text(content)
    assert found(bundle)


def test_further_keys_and_further_lists_are_found(bundle):
    write(bundle, GOOD, **{"+large_files": []})
    write(bundle, GOOD, name="large_files_2.json")
    lines = found(bundle)
    assert any("MONAI merges them" in line for line in lines)
    assert any("nothing else" in line for line in lines)


def test_the_whole_check_has_this_one(bundle):
    write(bundle, GOOD | {"path": "../x.png"})
    assert any("../x.png is outside of the bundle" in str(finding) for finding in verify(bundle).findings)


def test_what_passes_is_written_inside(bundle, monkeypatch):
    """MONAI's own download, with the network replaced: the file lies where the list says, and nothing beside it."""
    write(bundle, GOOD)
    assert found(bundle) == []
    before = set(bundle.parent.rglob("*"))
    monkeypatch.setattr(
        "monai.apps.utils._download_with_progress", lambda url, path, progress: Path(path).write_bytes(CONTENT)
    )
    download_large_files(str(bundle))
    assert set(bundle.parent.rglob("*")) - before == {bundle / "docs", bundle / "docs" / "brain.png"}
    assert found(bundle) == []
